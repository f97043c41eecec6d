"""A config-driven MNIST trainer in pure NumPy, with two ways to write softmax + cross-entropy.

The plan of the storeys; each room's own `__init__` is its sign. Imports only point up this list
(`tests/test_imports.py` reads the code and enforces it):

| room | holds |
|---|---|
| `errors` | the exceptions that several rooms raise; what an error says, in words |
| `slips` | what a user's own code, a loss or a layer, must be, and what it raises |
| `files` | names of files; written whole or not at all |
| `words`, `bar` | numbers, counts and lists in words; commands and overrides, quoted; Markdown; a progress bar |
| `hyperparameters` | dataclasses whose fields know their range, made from plain values; the nearest known word |
| `credentials` | no passwords in what is shown |
| `process` | what a process has one of, changed for all its threads |
| `kernels/` | stateless array functions with a mandatory `out=`, where an array has a layer's size: the cleverness |
| `layers/`, `losses/` | a function and its vector-Jacobian product, one concept a file |
| `optimizers/`, `schedules` | updates of a flat vector; learning rates over a run |
| `parameter_files`, `sealed` | arrays in a file of numbers; arrays and a document, with a checksum |
| `model`, `layer_list`, | `Sequential` over one flat, perhaps shared, vector; plain entries to layers, and back; |
| `registry` | names to classes, open to plugins |
| `data/` | from files, or the name of a known set, to batches |
| `inference/` | a trained model without its trainer. NumPy alone |
| `training/` | `Trainer`, the loop; its callbacks and records; `Team`; checkpoints, interruption, divergence |
| `figures/` | pictures from plain records; the only importer of matplotlib, never in the training process |
| `journal/` | what a run writes: events, one a line, and who holds the lock. No MLflow |
| `shipping/` | how MLflow gets it: the shipper, a child process, the only importer of mlflow |
| `config` | schemas: what Hydra composes, as dataclasses |
| `presets` | choices that stay what they are called |
| `complaints/` | what is wrong with a configuration: which override, or which line of which file |
| `composition` | from `conf/` and overrides to a `Config` |
| `build` | from a `Config` to objects; all that is wrong with its values, or takes too much memory |
| `data_sets` | from a `Config` to the data |
| `runs/` | a run in its folder: its names, outcome, provenance, checkpoints, cores, screen, and how it goes on |
| `analysis/` | what is said of losses and runs, a package a question: `gradcheck/`, `comparison/`, `explanation/`, |
| | `studies/`, `profile/` |
| `sweeps/` | many runs: Hydra's hooks, jobs, pairs, report, and how a sweep goes on |
| `tasks/` | the words of the command, a thin file a task, what they share, and `dispatch`, which a job comes to first |
| `api`, `__main__` | what notebooks and plugins import; the command |

How a run goes. `__main__` lets Hydra compose `conf/` and calls `tasks.dispatch.run_job`, which turns the configuration
into dataclasses and runs `tasks.train`. Everything that can be wrong with the input is found before the run's folder
has a journal. Then `runs.run` goes through `Trainer.fit`: a batch of bytes is augmented, where that is asked for, and
becomes float32 in place, the model goes forward, the loss forward and backward, the model backward, the optimizer
steps; no array of a layer's size is allocated on the way. Callbacks append the figures to `journal.jsonl`; the shipper,
which the kernel wakes when the training process dies, reads it and tells MLflow. A sweep's jobs write journals of their
own, and one shipper serves them all. Whatever a store does, training doesn't see it: the shipper looks what the store
has and tries again, where waiting may mend it (`shipping.patience`).

How a run goes on. `runs.checkpoints` writes the `training.state` of a trainer that is at rest into an npz file with a
checksum. `resume=` makes the run's own folder Hydra's (a resolver in `runs.folder`), composes the command line against
the checkpoint's configuration (`runs.changes`), takes the journal's lock, and cuts the journal back to where the
checkpoint was taken (`runs.cutting`). MLflow may have been sent what is cut off, and forgets nothing: when the run
writes these metrics again, it gives them the time that they had, and the store takes them for the same.

How a sweep goes on. `sweeps.hooks` has what Hydra calls. `sweep.json` lists every job's overrides (`sweeps.record`);
`sweep.resume=` compares these with what the jobs' folders tell (`sweeps.resumption`), and hands Hydra's sweeper those
without a result (`sweeps.replaced`), each with its own folder and, where it has a journal, `resume=` that folder. The
key `sweep` is the command's alone: no job's configuration, checkpoint or run has it.

Where this departs from what one might expect, and why:

- The two loss modes differ in their tail only. A loss says whether it `expects` logits or probabilities, and
  `registry.tail_layers` puts a `Softmax` behind the model for the latter. So both modes have the same layers before
  it, the same initial weights and the same batches.
- A hyperparameter's range stands in one place, its class; configurations have types only.
- A second core is taken by a second process, not by threads: `training.team` divides every batch, and every section of
  the parameters, among forked processes; `runs.cores` is the rule for how many, on sizes alone. Python's threads wait
  for each other between NumPy's calls, and those of the matrix products gain little with small matrices, and lose with
  a third busy process beside them. What is trained in one process has products on one thread, unless told otherwise
  (`trainer.threads`).
- Images are (height, width, channels), channels last: a row of a window is then one run of memory.
- A stack may compute a convolution, ReLU and max-pooling as one step (`layers.fused`), with the same results up to
  rounding: what lies between them is the largest array there is, and never leaves the cache. Kernels of 3×3 over
  many channels are then computed by Winograd's algorithm (`kernels.winograd`), with fewer multiplications.
- What is learned without being trained, batch normalisation's running statistics, is the layers' `state`. The model's
  `arrays` are parameters and state. These, or their moving averages (`training.averaging`), are what is `learned`:
  tested, saved, and kept for the best epoch.
- `Optimizer.build` is told how many of the first parameters decay, since an optimizer knows nothing of layers.
- Hydra looks up `hydra.mode` only where a file or the command line may set it, and launches a sweep's job as it was
  composed to check it (`sweeps.replaced`): it would compose everything twice otherwise, before every run.
"""

__version__ = "0.1.0"
