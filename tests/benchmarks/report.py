"""Prints this folder's tables for the machine that it runs on, and draws them: `python tests/benchmarks/report.py`.

That is what `peers.py` measures, with one thread and with as many as there are processors, and then what `losses.py`,
`scaling.py` and `recipes.py` do; these, or compiling, may be left out. It takes an hour and more, and wants the machine
to itself. The picture shows, for each case, how many times as long the others take as this project.
"""

import argparse
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import machine
from contenders.cases import Training
from peers import OTHERS, Measured, Settings, compiler, tables

from mnist_trainer.figures.style import GREY, LARGE, LARGEST, PALETTE, drawing
from mnist_trainer.runs.cores import usable_cpus

SCRIPTS = {"The losses alone": "losses.py", "An epoch": "scaling.py", "Recipes": "recipes.py"}
SHOWN = (*OTHERS, "onnxruntime")


def draw(found: Mapping[int, Sequence[Measured]], path: Path) -> None:
    """Draw a panel for each number of threads: a group of bars for each case, the ratio 1 as a line."""
    with drawing(path, 7 * len(found), 9) as figure:
        facts = machine.described().replace("; ", "\n")
        figure.suptitle(f"How many times as long as this project others take\n{facts}", fontsize=LARGE)
        panels = figure.subplots(1, len(found), sharex=True, squeeze=False)[0]
        for panel, (threads, cases) in zip(panels, found.items(), strict=True):
            panel.set_title(f"{threads} thread{'s' * (threads > 1)}", fontsize=LARGEST)
            for index, one in enumerate(cases):
                ratios = {name: one.times(OTHERS.get(name, name)) for name in SHOWN}
                bars = [(SHOWN.index(name), ratio[0]) for name, ratio in ratios.items() if ratio]
                for place, (color, ratio) in enumerate(bars):
                    height = index + 0.8 * (place + 0.5) / len(bars) - 0.4
                    panel.barh(height, ratio, 0.8 / len(bars), color=PALETTE[color])
            panel.axvline(1, color=GREY)
            panel.set_yticks(range(len(cases)), [title(one) for one in cases])
            panel.set_ylim(len(cases) - 0.5, -0.5)
        largest = max(ratio[0] for cases in found.values() for one in cases for ratio in times_of(one))
        panels[0].set_xlim(0, min(math.ceil(largest), 5))  # a bar may leave the picture
        for color, name in zip(PALETTE, SHOWN, strict=False):
            panels[0].plot([], [], "s", color=color, label=name)
        figure.legend(loc="outside lower center", ncols=len(SHOWN))


def times_of(one: Measured) -> list[tuple[float, str]]:
    """List the ratios that there are."""
    return [ratio for name in SHOWN if (ratio := one.times(OTHERS.get(name, name)))]


def title(one: Measured) -> str:
    """Name a case in a picture."""
    if isinstance(one.case, Training):
        return f"{one.case.network}, {one.case.batch}, {one.case.optimizer}{', fitted' * one.case.fitted}"
    return f"{one.case.network}, {one.case.count:,} image{'s' * (one.case.count > 1)} answered"


def main() -> None:
    """Print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, usable_cpus()}))
    parser.add_argument("--picture", type=Path, default=Path("benchmarks.png"))
    parser.add_argument("--only", default="", help="the cases whose name has this in it, such as cnn")
    parser.add_argument("--processor-time", action="store_true", help="count processor time, with one thread")
    parser.add_argument("--without-compile", action="store_true", help="leave torch.compile out, which takes minutes")
    parser.add_argument("--peers-alone", action="store_true", help="leave the other scripts out")
    told = parser.parse_args()
    how = Settings(told.rounds, not told.without_compile and compiler(), told.processor_time, told.only)
    print(f"{machine.described()}\n", flush=True)
    found = {}
    for threads in told.threads:
        print(f"## {threads} core{'s' * (threads > 1)}\n", flush=True)
        found[threads] = tables(threads, how)
        draw(found, told.picture)
    print(f"drawn: {told.picture}\n")
    for heading, script in {} if told.peers_alone else SCRIPTS.items():
        print(f"## {heading}\n", flush=True)
        subprocess.run([sys.executable, Path(__file__).parent / script], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
