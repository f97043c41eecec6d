"""Times the losses against PyTorch's cross_entropy on one thread: `python tests/benchmarks/losses.py`.

Forward and backward. All get the same float32 logits, as a linear layer leaves them, and class indices, and compute the
mean loss and its gradient with respect to the logits; PyTorch by `cross_entropy(logits, targets).backward()`. Separate
is a Softmax layer and CrossEntropy together. The three alternate in short rounds within one process; a ratio is the
median over the rounds: above 1, PyTorch takes longer than the fused loss.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from mnist_trainer.analysis.modes import Mode
from mnist_trainer.config import LossConfig

SIZES = ((32, 10), (128, 10), (512, 10), (8192, 10), (128, 100), (1024, 1000))
ROUND_SECONDS = 0.01


def numpy_pass(name: str, logits: np.ndarray, targets: np.ndarray) -> Callable[[], None]:
    """Return a function that does one forward and backward of a loss mode."""
    mode = Mode(LossConfig(name), logits.shape[1], len(logits), np.float32)

    def run() -> None:
        mode.forward(logits, targets)
        mode.backward()

    return run


def torch_pass(logits: np.ndarray, targets: np.ndarray) -> Callable[[], None]:
    """Return a function that does one forward and backward of PyTorch's cross-entropy."""
    import torch

    z, t = torch.from_numpy(logits.copy()).requires_grad_(), torch.from_numpy(targets)

    def run() -> None:
        z.grad = None
        torch.nn.functional.cross_entropy(z, t).backward()

    return run


def seconds(run: Callable[[], None], count: int) -> float:
    """Time a number of calls; return seconds a call."""
    started = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - started) / count


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=51)
    rounds = parser.parse_args().rounds
    import torch

    torch.set_num_threads(1)
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, 1 thread, float32, medians of {rounds} rounds\n")
    print("| batch × classes | fused, µs | separate ÷ fused | PyTorch ÷ fused |")
    print("|---|---|---|---|")
    for batch, classes in SIZES:
        rng = np.random.default_rng(0)
        logits = (3 * rng.standard_normal((batch, classes))).astype(np.float32)
        targets = rng.integers(0, classes, batch)
        contenders = [numpy_pass(name, logits, targets) for name in ("fused", "separate")]
        contenders.append(torch_pass(logits, targets))
        for run in contenders:
            seconds(run, 20)
        count = max(1, int(ROUND_SECONDS / seconds(contenders[-1], 20)))
        times = [[seconds(run, count) for run in contenders] for _ in range(rounds + 2)][2:]
        fused = statistics.median(row[0] for row in times) * 1e6
        ratios = [statistics.median(row[other] / row[0] for row in times) for other in (1, 2)]
        print(f"| {batch} × {classes} | {fused:,.1f} |", *(f"{ratio:.2f} |" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
