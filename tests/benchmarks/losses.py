"""Times the losses against PyTorch's cross_entropy on one thread: `python tests/benchmarks/losses.py`.

Forward and backward. All get the same float32 logits, as a linear layer leaves them, and class indices, and compute the
mean loss and its gradient with respect to the logits; PyTorch by `cross_entropy(logits, targets)` and its `backward`.
Separate is a Softmax layer and CrossEntropy together. The three take turns, as in the study of `task=compare`; a ratio
is the median over the rounds: above 1, PyTorch takes longer than the fused loss.
"""

import argparse
import os
import statistics

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np

from mnist_trainer.analysis.modes import LossMode
from mnist_trainer.analysis.studies.stopwatch import TimeSampler, TimeSamples, call_in_turns, draw_loss_batch
from mnist_trainer.config import LossConfig

SIZES = ((32, 10), (128, 10), (512, 10), (8192, 10), (128, 100), (1024, 1000))


class Torch:
    """PyTorch's cross-entropy."""

    def forward(self, logits: np.ndarray, targets: np.ndarray) -> None:
        """Compute the loss."""
        import torch

        self._z = torch.from_numpy(logits).requires_grad_()
        self._loss = torch.nn.functional.cross_entropy(self._z, torch.from_numpy(targets))

    def backward(self) -> None:
        """Compute the gradient, again and again."""
        self._z.grad = None
        self._loss.backward(retain_graph=True)


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
        logits, targets = draw_loss_batch(batch, classes)
        modes = [LossMode(LossConfig(name), classes, batch, np.float32) for name in ("fused", "separate")]
        samples = [TimeSamples() for _ in range(3)]
        samplers = [
            TimeSampler(loss, logits, targets, into) for loss, into in zip([*modes, Torch()], samples, strict=True)
        ]
        call_in_turns([sampler.sample for sampler in samplers], seconds=0, least=rounds)
        fused, *others = (np.add(of_loss.forward, of_loss.backward) for of_loss in samples)
        ratios = [statistics.median(other / fused) for other in others]
        print(
            f"| {batch} × {classes} | {1e6 * statistics.median(fused):,.1f} |",
            *(f"{ratio:.2f} |" for ratio in ratios),
            flush=True,
        )


if __name__ == "__main__":
    main()
