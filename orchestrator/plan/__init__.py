"""What will run: the graph of runs, their counts and costs. Pure."""
