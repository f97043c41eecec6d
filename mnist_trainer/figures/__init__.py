"""Pictures from plain records: the only importer of matplotlib, never loaded in the training process."""
