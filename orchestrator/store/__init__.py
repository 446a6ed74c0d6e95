"""What is on disk: layout, records, the study file and the results."""
