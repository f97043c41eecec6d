"""Who draws the shipper's pictures: a process beside it, since what is left after a result is done on two processors.

`python -m mnist_trainer.shipping.painter` reads folders, a line each, and answers each with its pictures' paths, both
as JSON. It ends when its standard input does.
"""

import gc
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from mnist_trainer.process import collect_garbage_again
from mnist_trainer.shipping.shipper_log import log_to_stderr

COMMAND = ("-P", "-m", "mnist_trainer.shipping.painter")

Drawing: TypeAlias = Callable[[], list[Path]]
"""What waits for a folder's pictures, and returns their paths."""
Draw: TypeAlias = Callable[[Path], Drawing]

log = logging.getLogger(__name__)


class Painter:
    """Draws the pictures of one folder after another, in a process that begins now; without one, in this."""

    def __init__(self) -> None:
        self._asking = ThreadPoolExecutor(1)
        self._child: subprocess.Popen[str] | None = None
        try:
            self._child = subprocess.Popen(
                [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
            )
        except OSError as error:  # no process, or no memory, is left for it
            log.warning("pictures are drawn by the shipper itself: %s", error)

    def begin(self, folder: Path) -> Drawing:
        """Let the pictures of a folder's journal be drawn, after those asked for before."""
        return self._asking.submit(self._draw, folder).result

    def close(self) -> None:
        """End the process."""
        self._asking.shutdown(cancel_futures=True)
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(BrokenPipeError):  # what it was asked, and has not read
                child.communicate()

    def _draw(self, folder: Path) -> list[Path]:
        child = self._child
        if child is not None and child.stdin is not None and child.stdout is not None:
            try:
                child.stdin.write(json.dumps(str(folder)) + "\n")
                child.stdin.flush()
                return [Path(path) for path in json.loads(child.stdout.readline())]
            except (OSError, ValueError):
                log.warning("who draws the pictures has died: the shipper draws them itself")
                self._end()
        return draw_pictures(folder)


def draw_pictures(folder: Path) -> list[Path]:
    """Draw the pictures of the folder's journal; one that can't be drawn must not keep a run from ending."""
    try:
        from mnist_trainer.shipping.pictures import draw_folder

        return draw_folder(folder)
    except Exception as error:
        log.warning("%s: its pictures can't be drawn: %s: %s", folder, type(error).__name__, error)
        log.debug("%s", folder, exc_info=True)
        return []


def draw_at_once(folder: Path) -> Drawing:
    """Draw the pictures of a folder's journal in this process."""
    pictures = draw_pictures(folder)
    return lambda: pictures


def main() -> None:
    """Warm up, and draw what is asked for."""
    log_to_stderr()
    gc.disable()  # as in `child`
    try:
        from mnist_trainer.shipping.pictures import warm_up_drawing

        warm_up_drawing()
    except Exception as error:
        log.warning("pictures can't be drawn: %s: %s", type(error).__name__, error)
    collect_garbage_again()
    for line in sys.stdin:
        answer = [str(path) for path in draw_pictures(Path(json.loads(line)))]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
