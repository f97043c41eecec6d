"""A config-driven MNIST trainer in pure NumPy, with two ways to write softmax + cross-entropy.

The map of the house. Imports only point up this list (`tests/test_imports.py` reads the code and enforces it):

| room | what is in it |
|---|---|
| `errors`, `files`, | the project's exceptions; files of unknown origin, opened with care; |
| `hyperparameters` | dataclass fields that know the range that fits |
| `credentials` | passwords in the URIs of tracking stores, hidden from all but MLflow |
| `kernels/` | stateless array functions with a mandatory `out=`: all the cleverness that speed needs |
| `layers/` | a forward function and its vector-Jacobian product, one concept a file; `Stack` runs a list of them |
| `losses/` | `SoftmaxLoss` (fused: of logits), `CrossEntropy` (separate: of probabilities), the gallery of mistakes |
| `optimizers/`, `schedules` | updates of a flat vector; learning rates over a run |
| `model` | `Sequential`: a stack over one flat parameter vector, and one of gradients; shape inference, summary |
| `data/` | IDX files, verified download, data sets, split, batches |
| `training/` | `Trainer`, the loop; its records and callbacks; `Team`, processes that share an update; checkpoints, |
| | interruption, divergence |
| `figures/` | pictures from plain records; the only importer of matplotlib |
| `tracking/` | the journal, and the shipper, a child process that is the only importer of mlflow |
| `analysis/` | `modes`: a loss mode as one function of the logits; and a package a question: `gradcheck/`, |
| | `comparison/` (in lockstep), `studies/` (of the losses alone), `explanation/`, `sweep/`, `profile/` |
| `config`, `config_errors` | the configuration's schemas (the values are in `conf/`); Hydra's errors in words |
| `composition` | from `conf/` and overrides to the typed configuration |
| `registry`, `build` | names to classes, open to plugins; configurations to objects |
| `tasks/` | what the command can do, a thin file a task; `dispatch` takes Hydra's jobs to them |
| `api`, `__main__` | what notebooks and plugins import; the command |

How a run goes. `__main__` lets Hydra compose `conf/` and calls `tasks.dispatch.run_job`, which turns the
configuration into dataclasses and runs `tasks.train`. Everything that can be wrong with the input is found before the
run's folder has a journal. Then `Trainer.fit` loops: a batch of bytes becomes float32 in place, the model goes
forward, the loss forward and backward, the model backward, the optimizer steps; no array of a batch's size is
allocated on the way. Callbacks append the figures to `journal.jsonl`; the shipper, which the kernel wakes when the
training process dies, reads it and tells MLflow. A sweep's jobs write journals of their own, and one shipper serves
them all. Whatever a store does, training doesn't see it: the shipper tries again (`tracking.patience`), after it has
looked what the store has, and `tracking.failures` tells what waiting may mend.

How a run goes on. `tasks.checkpointing` writes `training.state` of a trainer that is at rest into an npz file with a
checksum. `resume=` makes the run's own folder Hydra's (a resolver in `tasks.runs`), composes the command line against
the checkpoint's configuration (`tasks.changes`), takes the journal's lock, and cuts the journal back to where the
checkpoint was taken (`tracking.cutting`). MLflow may have been sent what is cut off, and forgets nothing: when the run
writes these metrics again, it gives them the time that they had, and the store takes them for the same.

How a sweep goes on. `tasks.multirun` has Hydra's hooks. `sweep.json` lists every job's overrides; `sweep.resume=`
compares these with what the jobs' folders tell (`tasks.sweep_resumption`), hands Hydra's sweeper those without a
result (`tasks.sweep_overrides`), each with its own folder and, where it has a journal, `resume=` that folder. The key
`sweep` is the command's alone: no job's configuration, checkpoint or run has it.

Where this departs from what one might expect, and why:

- The two loss modes differ in their tail only. A loss says whether it `expects` logits or probabilities, and
  `registry.tail_layers` puts a `Softmax` behind the model for the latter. So both modes have the same layers before
  it, the same initial weights and the same batches.
- A hyperparameter's range stands in one place, its class; configurations have types only.
- A second core is taken by a second process, not by threads: `training.team` divides every batch, and every section of
  the parameters, among forked processes; `tasks.processes` is the rule for how many, on sizes alone. Python's threads
  wait for each other between NumPy's calls, and those of the matrix products gain little with small matrices, and lose
  with a third busy process beside them. What is trained in one process has products on one thread, unless told
  otherwise (`trainer.threads`).
- Images are (height, width, channels), channels last: a row of a window is then one run of memory.
- A stack may compute a convolution, ReLU and max-pooling as one step (`layers.fused`), with the same results up to
  rounding: what lies between them is the largest array there is, and never leaves the cache. Kernels of 3×3 over
  many channels are then computed by Winograd's algorithm (`kernels.winograd`), with fewer multiplications.
- What is learned without being trained, batch normalisation's running statistics, is the layers' `state`. The model's
  `arrays` are parameters and state: they are saved, and kept for the best epoch.
- `Optimizer.build` is told how many of the first parameters decay, since an optimizer knows nothing of layers.
"""

__version__ = "0.1.0"
