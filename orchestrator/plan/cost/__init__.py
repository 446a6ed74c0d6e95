"""What runs take: FLOP, hours, devices, memory. Pure."""
