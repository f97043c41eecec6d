"""What the command can do, a thin file a task."""
