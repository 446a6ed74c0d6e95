"""The runs of a plan as a graph to look at. Pure."""
