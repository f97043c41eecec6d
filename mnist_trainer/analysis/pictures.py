"""Pictures are extras: a report, and the answer that it gives, do without one that can't be drawn."""

import logging
from collections.abc import Callable
from pathlib import Path

from mnist_trainer.errors import error_reason

log = logging.getLogger(__name__)


def try_to_draw(path: Path, draw: Callable[[], None]) -> bool:
    """Draw to `path`, and tell whether that was possible: a library, its folder or its memory may be missing."""
    try:
        draw()
    except Exception as error:
        log.warning(f"{path.name} can't be drawn: {error_reason(error)}")
        return False
    return True
