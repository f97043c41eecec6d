"""What a run writes: `journal.jsonl`, the truth about it, one event a line; of MLflow it knows an address only.

In come what training has to say (`callback`, the trainer's records; a run's beginning and end) and, later, the file.
Out go whole lines, on a disk that may be full for a while; and, for those who read them, events: frozen records.

`events`, the records, their times and their lines; `values`, which values fit in them: texts, whole numbers, ids;
`journal`, the writer, and `appender`, its file; `reading`, the events of a file, its first and its last, and whether
somebody writes; `locks`, by which that is known; `load`, the machine's: CPU and resident memory; `processes`, who
opened a run, and is still there; `address`, the store that a run goes to, a URI; `unsent`, the list in the store's
folder of the runs that are not there yet, which enter it and are struck off.
"""

from importlib.util import find_spec

from mnist_trainer.errors import UNFIT

if find_spec("fcntl") is None:
    raise ImportError(UNFIT)
