"""When runs take place, on which devices, and what that means for disk. Pure."""
