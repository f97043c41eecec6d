"""A run's journal, which training writes, and the shipper, a child process that sends it to MLflow."""
