"""`sweep doctor`: hold what is declared against the machine, and say what to mend."""
