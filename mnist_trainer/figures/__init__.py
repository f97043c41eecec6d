"""Pictures from plain records: the only importer of matplotlib, never loaded in the training process.

In come lists, mappings or a dataclass of arrays, and a path or an open file; out goes a PNG, whole or not at all.
`style` is how all look: colours of modes, axes, ticks, labels, words where nothing is to be seen. Of a run: `curves`,
`confusion`. Of a model's answers: `predictions`, `calibration`. Of a sweep: `sweep_jobs` (each by itself),
`sweep_modes` (means and bands), `sweep_pairs`, `study` (trials as lines). Of a comparison: `lockstep` (curves as
running means), `saturation` (errors over gaps, and what becomes of a mode), `timing`. Of the lecture: `explanation`,
its numbers as bars and heat.
"""
