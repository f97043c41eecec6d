"""Gradients against central differences, references and the known mistakes."""
