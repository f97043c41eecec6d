"""Stateless array functions that write into given outputs: all `out=` plumbing lives here."""
