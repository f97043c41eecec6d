"""Pictures from plain records: the only importer of matplotlib, never loaded in the training process.

In come lists, mappings or a dataclass of arrays, and a path or an open file; out goes a PNG, whole or not at all.
`style` is how all look. Of a run: `curves`, `confusion`. Of a model's answers: `predictions`, `calibration`. Of a
sweep: `sweep_modes`, `sweep_pairs`, `study`. Of a comparison: `lockstep`, `saturation`, `timing`. Of the lecture:
`explanation`.
"""
