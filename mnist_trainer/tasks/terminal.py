"""The terminal of the tasks that print tables in colour."""

import os
import sys

from rich.console import Console

from mnist_trainer.runs.screen import lenient

PIPED_WIDTH = 120
LEAST_WIDTH = 20
"""Narrower than this nothing can be read, and in a width of 0 nothing would be printed at all."""


def terminal_console() -> Console:
    """Return a console on the standard output; without colours where that is no terminal, or NO_COLOR is set.

    It is as wide as the terminal, or as COLUMNS says; where neither is known, PIPED_WIDTH. In a narrower one than
    LEAST_WIDTH lines are broken by the terminal.

    Signs that the output's encoding lacks become question marks.
    """
    stream = lenient(sys.stdout)
    known = stream.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    console = Console(file=stream, width=None if known else PIPED_WIDTH, highlight=False)
    console.width = max(console.width, LEAST_WIDTH)
    return console
