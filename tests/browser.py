"""A headless browser that waits for what a page is to show: Chromium, by its own protocol over a pair of pipes."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
)
SIZE = (1700, 900)
SECONDS = 300.0
"""After so long nothing comes any more, however busy the machine is."""


def installed() -> str | None:
    """Return the browser that there is."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Browser:
    """One page of a browser; raises `TimeoutError` where what is waited for doesn't come."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number, self._received, self._session = 0, b"", {}
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        size = {"width": SIZE[0], "height": SIZE[1]}
        self.ask("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command of the protocol; return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + SECONDS
        while True:
            answer = self._answer(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        """Go to a page; MLflow's are one to a browser, so it is loaded anew."""
        self.ask("Page.navigate", url="about:blank")
        self.ask("Page.navigate", url=url)

    def value(self, script: str) -> Any:
        """Return what JavaScript comes to in the page."""
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until JavaScript comes to something true, twice in a row: a page draws itself in several goes."""
        until, times = time.monotonic() + SECONDS, 0
        while times < 2:
            times = times + 1 if self.value(script) else 0
            if time.monotonic() > until:
                raise TimeoutError(f"{script}: never so; the page has: {self.value('document.body.innerText')}")
            time.sleep(0.5)

    def wait_for(self, *words: str) -> str:
        """Wait until the page shows these words, and nothing that turns; return its text."""
        shown = f"{json.dumps(words)}.every(word => document.body && document.body.innerText.includes(word))"
        self.wait(f"{shown} && !document.querySelector('{SPINNERS}')")
        text: str = self.value("document.body.innerText")
        return text

    def click(self, words: str) -> None:
        """Click on what shows just these words."""
        script = (
            "[...document.querySelectorAll('a, button, span, div')].filter("
            f"each => each.innerText && each.innerText.trim() === {json.dumps(words)}).pop()"
        )
        self.wait(f"!!{script}")
        self.value(f"{script}.click()")

    def shoot(self, path: Path) -> None:
        """Take a picture of the window."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    def _answer(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._answers, 1 << 20) if ready else b""
            if not more:
                raise TimeoutError("the browser doesn't answer")
            self._received += more
        message, _, self._received = self._received.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


SPINNERS = "[aria-busy=true], [role=progressbar], .ant-spin-spinning, [class*=spinner i], [class*=skeleton i]"


@contextmanager
def browsing(program: str) -> Iterator[Browser]:
    """Start a browser with a profile of its own; it ends with the block."""
    profiles = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # its children die a little later
    with profiles as profile, contextlib.ExitStack() as ends:
        theirs_in, commands = os.pipe()
        answers, theirs_out = os.pipe()
        # Out of the way of 3 and 4, which are what the browser knows its pipes by
        given = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (theirs_in, theirs_out)]
        for end in (theirs_in, theirs_out):
            os.close(end)
        ends.callback(os.close, commands)
        ends.callback(os.close, answers)
        options = [f"--user-data-dir={profile}", f"--window-size={SIZE[0]},{SIZE[1]}"]
        process = subprocess.Popen(
            [program, *OPTIONS, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_placing(given),
            pass_fds=(3, 4),
        )
        ends.callback(process.wait)
        ends.callback(process.kill)
        for end in given:
            os.close(end)
        yield Browser(commands, answers)


def _placing(given: list[int]) -> Callable[[], None]:
    def place() -> None:
        for number, end in zip((3, 4), given, strict=True):
            os.dup2(end, number)

    return place
