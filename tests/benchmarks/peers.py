"""Times training steps and answers against other libraries: `python tests/benchmarks/peers.py`.

A step gathers a batch of MNIST's bytes and makes floats of them, and does forward, loss, backward and update, on the
same network with the same optimizer, in float32; it reads the loss and counts the right predictions, as training does.
(scikit-learn is given floats, and counts nothing.) PyTorch comes eager, channels-last too where there are convolutions,
and compiled, if there is a C++ compiler, always with its optimizers of a single kernel; JAX as one jitted function. Two
cases are measured again when their loss on 1,024 images has gone to 0, after 8,000 steps. An answer is the classes of
some images, from their bytes; onnxruntime has this project's export.

Each library works in a process of its own, which is started with the environment that sets its number of threads. In
every round, in an order drawn anew, each contender does the same number of steps, from the same weights, on the same
batches; the fitted ones go on. A ratio is the median over the rounds of the contender's time by this project's
(loss=fused) in the same round: above 1, this project is faster. "Of the peak" is the arithmetic of a step's matrix
products by the step's time, as a share of what a product of two 1024 × 1024 matrices reaches with as many threads,
measured in turn with the rest. What isn't installed is left out. Other work on the machine disturbs the times: look at
the load that is printed. With one thread, --processor-time counts processor time instead, which suffers less from it.
"""

import argparse
import itertools
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import machine
from contenders.cases import ANSWERING, FITTED, FITTED_STEPS, TRAINING, Answering, Training
from contenders.serving import Library, started

TURN_SECONDS = 0.15
PAUSE_SECONDS = 0.15  # after which the threads of the contender before have stopped looking for work
WARM_ROUNDS = 2
OTHERS = {"PyTorch": "PyTorch", "compiled": "torch.compile", "JAX": "JAX jit", "scikit-learn": "scikit-learn"}


@dataclass(frozen=True)
class Measured:
    """A case's contenders' seconds a step, a round each, and the share of the peak that its products come to."""

    case: Training | Answering
    seconds: Mapping[str, Sequence[float]]
    share: float | None = None

    @property
    def median(self) -> float:
        """This project's, in seconds."""
        return statistics.median(self.seconds["fused"])

    def times(self, beginning: str) -> tuple[float, str] | None:
        """Return how many times as long the best variant of a contender takes, and which; None if there is none."""
        names = [name for name in self.seconds if name.startswith(beginning)]
        if not names:
            return None
        name = min(names, key=lambda name: statistics.median(self.seconds[name]))
        pairs = zip(self.seconds[name], self.seconds["fused"], strict=True)
        return statistics.median(theirs / own for theirs, own in pairs), name.removeprefix(beginning).strip(
            " ,"
        ).removeprefix("eager")

    def cells(self, columns: Sequence[str]) -> list[str]:
        """Write this project's time, the ratios of the `columns`, the share of the peak."""
        found = [self.times(OTHERS.get(column, column)) for column in columns]
        ratios = ["" if one is None else f"{one[0]:.2f}" + (f" ({one[1]})" if one[1] else "") for one in found]
        share = [] if self.share is None else [f"{self.share:.0%}"]
        return [*str(self.case).split(), f"{self.median * 1e6:,.0f}", *ratios, *share]


@dataclass(frozen=True)
class Settings:
    """How to measure."""

    rounds: int
    compiled: bool
    processor_time: bool
    only: str = ""


def measured(libraries: Mapping[str, Library], case: Training | Answering, threads: int, how: Settings) -> Measured:
    """Time a case's contenders in turns."""
    processor = how.processor_time and threads == 1
    fitted = isinstance(case, Training) and case.fitted
    names = {
        name: module
        for module, library in libraries.items()
        for name in library.ask("build", case, {"compiled": how.compiled} if module == "with_pytorch" else {})
    }
    for name, module in names.items():
        try:
            libraries[module].ask("restart", name)
            libraries[module].ask("run", name, FITTED_STEPS if fitted and name != "peak" else 3, processor)  # compiles
        except EOFError:
            raise SystemExit(f"{case}: {name} broke down") from None
    ours = statistics.median(libraries["with_numpy"].ask("run", "fused", 3, processor) for _ in range(5))
    found: dict[str, list[float]] = {name: [] for name in names}
    for order in itertools.islice(orders(list(names)), how.rounds + WARM_ROUNDS):
        for name in order:
            module = names[name]
            if not fitted:
                libraries[module].ask("restart", name)
            time.sleep(PAUSE_SECONDS)
            steps = 3 if name == "peak" else max(2, round(TURN_SECONDS / ours))
            found[name].append(libraries[module].ask("run", name, steps, processor))
    seconds = {name: each[WARM_ROUNDS:] for name, each in found.items()}
    if isinstance(case, Answering):
        return Measured(case, seconds)
    own = libraries["with_numpy"]
    operations, large = own.ask("call", "operations", case), own.ask("call", "peak_operations")
    pairs = zip(seconds["fused"], seconds["peak"], strict=True)
    return Measured(case, seconds, statistics.median(operations / mine / (large / peak) for mine, peak in pairs))


def orders(names: list[str]) -> Iterator[list[str]]:
    """Yield the contenders in an order that is drawn for each round; none has two turns one after the other."""
    rng, last = random.Random(0), ""
    while True:
        order = rng.sample(names, len(names))
        if order[0] != last or len(names) == 1:
            yield order
            last = order[-1]


def compiler() -> bool:
    """Whether torch.compile finds a C++ compiler; says so if not."""
    found = any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++")))
    if not found:
        print("there is no C++ compiler: torch.compile is left out")
    return found


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    """Print a table, a row as soon as it is there."""
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|", flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def tables(threads: int, how: Settings) -> list[Measured]:
    """Print the tables for a number of threads; return what was measured."""
    found: list[Measured] = []

    def rows(cases: Sequence[Training | Answering], columns: Sequence[str]) -> Iterator[Sequence[str]]:
        for case in cases:
            if how.only in str(case):
                found.append(measured(libraries, case, threads, how))
                yield found[-1].cells(columns)

    with started(threads) as libraries:
        versions = ", ".join(library.version for library in libraries.values())
        clock = ", of processor time" if how.processor_time and threads == 1 else ""
        print(f"{versions}; {threads} thread{'s' * (threads > 1)}, medians of {how.rounds} rounds{clock}\n")
        columns = ("PyTorch", *(["compiled"] if how.compiled else []), "JAX", "scikit-learn", "separate")
        times = [f"{column}, times" for column in columns]
        head = ["network", "batch", "optimizer", "this project, µs", *times, "of the peak"]
        print("A training step, from the first one on:\n")
        table(head, rows(TRAINING, columns))
        print("After the loss has gone to zero:\n")
        table(head, rows(FITTED, columns))
        columns = (*columns[:-1], "onnxruntime")
        columns = tuple(column for column in columns if column != "JAX")
        times = [f"{column}, times" for column in columns]
        print("Answers, from bytes to classes:\n")
        answers = ([*row[:3], f"{answers_a_second(row):,.0f}", *row[3:]] for row in rows(ANSWERING, columns))
        table(["network", "images", "this project, µs", "images a second", *times], answers)
    print(machine.load() + "\n")
    return found


def answers_a_second(row: Sequence[str]) -> float:
    """Return the images a second of a row: of images, and microseconds."""
    return int(row[1]) / (float(row[2].replace(",", "")) / 1e6)


def main() -> None:
    """Print the tables for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="the cases whose name has this in it, such as cnn")
    parser.add_argument("--processor-time", action="store_true", help="count processor time, with one thread")
    parser.add_argument("--without-compile", action="store_true", help="leave torch.compile out, which takes minutes")
    arguments = parser.parse_args()
    print(f"{machine.described()}\n")
    for threads in arguments.threads:
        compiled = not arguments.without_compile and compiler()
        how = Settings(arguments.rounds, compiled, arguments.processor_time, arguments.only)
        tables(threads, how)


if __name__ == "__main__":
    main()
