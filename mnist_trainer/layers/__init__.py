"""Layers, one concept a file: a forward function, and its vector-Jacobian product as backward."""
