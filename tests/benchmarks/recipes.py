"""Times the recipes against the same ones in PyTorch, from launch to result: `python tests/benchmarks/recipes.py`.

On real MNIST (MNIST_ROOT, or what the cache has), as a user would: each run is a command of its own, with all imports,
reading the data, training and testing; this project's with MLflow. The same network, optimizer, schedule, epochs and
batches, but PyTorch goes without the limit of the gradients' norm; on as many threads as there are CPUs, eager, in its
default memory order and, where there are convolutions, channels-last. The contenders alternate, a seed a round.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mnist_trainer.api import compose
from mnist_trainer.config import MLPConfig
from mnist_trainer.layer_list import mlp_layer_list
from mnist_trainer.runs.cores import usable_cpus

RECIPES = ("fast98", "fast99")
TORCH = Path(__file__).parent / "contenders" / "recipe_with_pytorch.py"


def commands(recipe: str, seed: int, outputs: str) -> dict[str, list[str]]:
    """Return the command of each contender."""
    overrides = [f"experiment={recipe}", "data=mnist", f"seed={seed}"]
    config = compose(overrides)
    model = config.model
    layers = mlp_layer_list(model, classes=10) if isinstance(model, MLPConfig) else model.layers  # type: ignore[attr-defined]
    theirs = {
        "layers": layers,
        "optimizer": config.optimizer.name,
        "lr": config.optimizer.lr,
        "momentum": getattr(config.optimizer, "momentum", None),
        "weight_decay": config.optimizer.weight_decay,  # type: ignore[attr-defined]
        "warmup": config.schedule.warmup,  # type: ignore[attr-defined]
        "label_smoothing": config.loss.label_smoothing,
        "shift": getattr(config.augment, "shift", 0.0),  # of an image's changes the recipes take this alone
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "seed": seed,
        "threads": usable_cpus(),
    }
    found = {"this project": [sys.executable, "-m", "mnist_trainer", *overrides, f"outputs={outputs}"]}
    orders = ("PyTorch", "PyTorch channels-last") if "conv2d" in {layer["kind"] for layer in layers} else ("PyTorch",)
    for order in orders:
        told = json.dumps(theirs | {"channels_last": order != "PyTorch"})
        found[order] = [sys.executable, str(TORCH), told]
    return found


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Run a command; return its seconds and the accuracy that it prints, in percent."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    found = re.findall(r"accuracy (\d+\.\d+)%", done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return seconds, float(found[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", help="fast98 or fast99")
    arguments = parser.parse_args()
    print("| recipe | contender | seconds, median (all) | test accuracy, % |\n|---|---|---|---|")
    for recipe in RECIPES:
        if arguments.only not in recipe:
            continue
        results: dict[str, list[tuple[float, float]]] = {}
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as outputs:
                for name, command in commands(recipe, seed, outputs).items():
                    results.setdefault(name, []).append(timed(command))
        for name, found in results.items():
            seconds, accuracies = zip(*found, strict=True)
            each = ", ".join(f"{one:.1f}" for one in seconds)
            scores = ", ".join(f"{one:.2f}" for one in accuracies)
            print(f"| `{recipe}` | {name} | {statistics.median(seconds):.1f} ({each}) | {scores} |", flush=True)


if __name__ == "__main__":
    main()
