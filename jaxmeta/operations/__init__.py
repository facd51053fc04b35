"""What is done with the data: one file for each family of operations."""
