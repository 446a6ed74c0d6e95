"""The networks: decoder, vision tower, projector and their union."""
