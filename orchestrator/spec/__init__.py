"""What is declared: studies, grids, runs and their names. Pure."""
