"""Data: from files, or the name of a known set, to batches that a model takes.

In come IDX files, or scikit-learn's digits; out go a `Dataset` of bytes, its split, and batches of floats in buffers
that are made once. What can't be used is a `DataError` that names the file.

To read: `dataset`, what is in memory; `loading`, where it comes from; `idx`, the format; `digits`, the stand-in without
a download; `sources`, the known sets with their checksums; `known_files`, one file of theirs, checked; `cache`, where
these are kept; `download`, one file from its mirrors. Then for training: `split`, the validation samples; `scaling`,
from a pixel to an input; `batches`, what an epoch goes over.
"""
