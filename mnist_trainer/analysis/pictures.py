"""Pictures are extras: a report, and the answer that it gives, do without one that can't be drawn."""

import logging
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)


def try_to_draw(path: Path, draw: Callable[[], None]) -> bool:
    """Draw to `path`, and tell whether that was possible: a library, its folder or its memory may be missing."""
    try:
        draw()
    except Exception as error:
        log.warning(f"{path.name} can't be drawn: {str(error) or type(error).__name__}")
        return False
    return True
