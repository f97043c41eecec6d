"""What runs say when they are put beside each other."""
