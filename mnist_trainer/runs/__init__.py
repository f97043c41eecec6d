"""A run in its folder: from its first update to its result, and on again after an interruption.

In come a checked `Config`, a data set and a trainer; out go, into the run's folder, `config.yaml`, the journal,
checkpoints and `outcome.json`, and to the user lines that say what is happening.

To read: `run`, the run itself and its `Result`; `record`, what its journal says at its start and end; `provenance`,
where its numbers come from; `outcome`, how it ended; `learned`, the model that it leaves; `cores`, how many processes
share its updates; `tracked`, where its journal is sent, and what the user is told of that; `next_steps`, what would
be typed then; `log`, the log file; `screen`, what is printed. Then how it goes on: `folder`, which run `resume=`
means; `checkpoints`, what is kept of it; `resumption`, what is read of that; `changes`, what the command line asks for
beside it; `cutting`, the journal back to its checkpoint.
"""
