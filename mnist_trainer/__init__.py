"""A config-driven MNIST trainer in pure NumPy."""

__version__ = "0.1.0"
