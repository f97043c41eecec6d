"""The terminal is no part of the result: outputs that are closed, full, gone or narrow change nothing else."""

import io
import logging
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from mnist_trainer.bar import Bar
from mnist_trainer.runs.screen import Screen, lenient, lenient_output

TINY = ("data=digits", "model.hidden=[8]", "epochs=1", "tracking=off")
CHECK = ("task=gradcheck", "task.samples=4")


def unread():
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8")


def full():
    return open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123


def closed():
    file = io.StringIO()
    file.close()
    return file


@pytest.mark.parametrize("stream", [unread, full, closed, lambda: None], ids=["unread", "full", "closed", "none"])
def test_a_stream_that_takes_nothing_costs_nothing(stream, capfd):
    made = stream()
    output = lenient(made)
    screen = Screen(output)
    for _ in range(2):
        assert output.write("a line\n" * 10_000) == 70_000
        output.flush()
        screen.emit(logging.makeLogRecord({"msg": "a record"}))
    with suppress(AttributeError):
        made.close()  # nothing is left in its buffer to fail
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("ascii", "p − t: l\udce4ufe", b"p ? t: l\xe4ufe"),  # a file name's bytes, as they are on the disk
        ("latin-1", "läufe → \udcff", b"l\xe4ufe ? \xff"),
        ("utf-8", "läufe → \udce4 \ud800", "läufe → ".encode() + b"\xe4 ?"),
    ],
)
def test_signs_that_an_encoding_lacks_become_question_marks(encoding, text, expected):
    raw = io.BytesIO()
    output = lenient(io.TextIOWrapper(raw, encoding=encoding))
    output.write(text)
    output.flush()
    assert raw.getvalue() == expected


def test_the_streams_are_given_back():
    before = sys.stdout, sys.stderr
    with lenient_output():
        assert (sys.stdout, sys.stderr) != before
        assert lenient(sys.stdout) is sys.stdout
    assert (sys.stdout, sys.stderr) == before


def command(shell, folder, *arguments):
    """Run the command, its outputs as the shell's words say; return its exit code and the standard error."""
    outputs, pipe = ("", shell) if shell.startswith("|") else (shell, "")
    script = f'exec 3>code; {{ "$@" {outputs}; echo $? >&3; }} {pipe}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "mnist_trainer", *TINY, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return int((folder / "code").read_text()), done.stderr


@pytest.mark.parametrize(
    ("shell", "arguments", "code", "report"),
    [
        ("| head -1", CHECK, 0, "gradcheck.md"),
        pytest.param("| head -1", (*CHECK, "loss=mistakes/diagonal"), 1, "gradcheck.md", marks=pytest.mark.long),
        pytest.param(">/dev/full", CHECK, 0, "gradcheck.md", marks=pytest.mark.long),
        (">&-", (), 0, "last.npz"),
        pytest.param(">&- 2>&- <&-", ("task=profile", "task.updates=2"), 0, "profile.md", marks=pytest.mark.long),
        pytest.param("| head -1", ("task=explain", "task.updates=0"), 0, "explanation.md", marks=pytest.mark.long),
        pytest.param(">/dev/full", ("--multirun", "seed=0,1"), 0, "sweep.md", marks=pytest.mark.long),
        (">/dev/full 2>&1", ("seed=-1",), 2, None),
        pytest.param("| head -1", ("--help",), 0, None, marks=pytest.mark.long),
    ],
)
def test_no_output_changes_the_exit_code_the_report_or_says_more(tmp_path, shell, arguments, code, report):
    assert command(shell, tmp_path, *arguments) == (code, "")
    assert len(list(tmp_path.glob(f"outputs/*/*/{report}"))) == (report is not None)


def test_a_progress_bar_makes_room_for_every_line(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar(3, "trial", ncols=40):
        Screen(terminal).emit(logging.makeLogRecord({"msg": "a line"}))
    drawn, cleared, line, again, *_ = terminal.getvalue().strip("\r").replace("\n", "").split("\r")
    assert (cleared.strip(), line) == ("", "a line")
    assert all("0/3" in bar for bar in (drawn, again))


SETTINGS = {"TQDM_NCOLS": "abc", "TQDM_MININTERVAL": "x", "TQDM_BAR_FORMAT": "{nothing}", "TQDM_FILE": "x"}
DRAWN = """
import io, os
from mnist_trainer.bar import Bar
terminal = io.StringIO()
terminal.isatty = lambda: True
with Bar(3, " images", file=terminal) as bar:
    bar.update(1)
assert "0/3" in terminal.getvalue(), terminal.getvalue()
assert os.environ["TQDM_NCOLS"] == "abc"
"""


def test_settings_of_other_programs_bars_do_not_end_the_command():
    subprocess.run([sys.executable, "-c", DRAWN], env={**os.environ, **SETTINGS}, check=True)


@pytest.mark.parametrize("stream", [None, closed()])
def test_where_there_is_no_standard_error_there_is_no_bar(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    with Bar(3, "trial") as bar:
        bar.update(1)
    assert bar.disable
