"""The lecture of task=explain: its numbers, its steps, and how they are written."""
