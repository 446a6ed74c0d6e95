"""Pictures of a plan: its graph, its simulated schedule, and which cells of its design it fills."""
