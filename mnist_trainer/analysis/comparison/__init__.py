"""Loss modes in lockstep: what differs between them, and what is said of it."""
