"""A run in its folder: from its first update to its result, and on again after an interruption.

In come a checked `Config`, a data set and a trainer; out go, into the run's folder, `config.yaml`, the journal,
checkpoints and `outcome.json`, and to the user lines that say what is happening.

To read: `run`, the run itself and its `Result`; `record`, what its journal says at its start and end: params, tags,
data sets, a colour; `sheet`, augmented images to look at; `provenance`, where its numbers come from: user, git,
machine, processor; `outcome`, how it ended; `learned`, from a trainer to inference: the arrays, layers and description
that `model.npz` gets, or a classifier at once; `cores`, how many CPUs, processes and threads share its updates;
`tracked`, where its journal is sent, and what is logged of that: commands and links; `next_steps`, what would be typed
then; `log`, the log file; `screen`, standard streams that take everything, and what is printed. Then how it goes on:
`folder`, which run `resume=` means, and what its files say; `checkpoints`, what is kept of it; `resumption`, what is
read of that; `changes`, what the command line asks for beside it; `cutting`, the journal back to its checkpoint.
"""
