"""Data: IDX files, verified downloads, the known sets, splits and batches."""
