"""The terminal of the tasks that print tables in colour."""

import os
import sys

from rich.console import Console

from mnist_trainer.runs.screen import lenient

PIPED_WIDTH = 120


def terminal_console() -> Console:
    """Return a console on the standard output; without colours where that is no terminal, or NO_COLOR is set.

    It is as wide as the terminal, or as COLUMNS says; where neither is known, PIPED_WIDTH.

    Signs that the output's encoding lacks become question marks.
    """
    stream = lenient(sys.stdout)
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(file=stream, width=None if known else PIPED_WIDTH, highlight=False)
