"""What the jobs of a multirun say when they are put beside each other."""
