"""Data: from files, or the name of a known set, to batches that a model takes.

In come files of many forms, scikit-learn's digits, or arrays; out go a `Dataset` of bytes, its split, and batches of
floats in buffers that are made once. What can't be used is a `DataError` that names the file, and says what would fit.

To read: `dataset`, what is in memory; `loading`, where it comes from; `remarks`, what looks wrong in it. Known sets:
`sources`, with their checksums; `known_files`, theirs, checked; `cache`, where these are kept; `download`, one file
from its mirrors; `file_sets`, those without a download (EMNIST's splits); `digits`, the stand-in, enlarged scans. What
people have: `survey`, what lies in a folder, by content; `names`, what a file's name tells, its part (training or test)
and role (images or labels); `pieces`, images and labels as they lie there; `chosen`, those that make one set; `kept`,
what a sweep's next job needs not read anew. The forms: `idx`, with its header; `numpy_files`; `tables`, of lines,
fields and columns; `pictures`, in a folder a class; `content`, a file unpacked; `values` and `arrays`, numbers and
labels to bytes, shapes to images. Then for training: `split`, the samples held out; `augmentation`, images changed anew
each time; `scaling`, from a pixel to an input; `batches`, what an epoch goes over.
"""
