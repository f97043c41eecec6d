"""The terminal of the tasks that print tables in colour."""

import io
import sys

from rich.console import Console

PIPED_WIDTH = 120


def console() -> Console:
    """Return a console on the standard output; without colours where that is no terminal, or NO_COLOR is set.

    Signs that the output's encoding lacks become question marks.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
