import os
import subprocess
import sys

import pytest

CODE = """from mnist_trainer.tasks import terminal
terminal.terminal_console().print('[green]p − t ✓[/] ' + 'x' * 100)"""


@pytest.mark.parametrize(("encoding", "printed"), [("utf-8", "p − t ✓"), ("ascii", "p ? t ?")])
def test_a_pipe_gets_long_lines_without_colours_in_any_encoding(encoding, printed):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment | {"PYTHONIOENCODING": encoding}, capture_output=True, check=True
    )
    assert done.stdout.decode(encoding) == f"{printed} {'x' * 100}\n"


@pytest.mark.parametrize("columns", ["0", "1", "00"])
def test_no_width_is_so_small_that_nothing_is_printed(columns):
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, "COLUMNS": columns, "PYTHONUTF8": "1"}, capture_output=True
    )
    lines = [line.strip() for line in done.stdout.decode().splitlines()]
    assert lines[0] == "p − t ✓"
    assert "".join(lines[1:]) == "x" * 100
    assert len(lines[1]) == 20


@pytest.mark.parametrize("columns", ["", "wide", "-5"])
def test_a_width_that_is_none_is_as_if_it_were_not_given(columns):
    environment = {**os.environ, "COLUMNS": columns, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == f"p − t ✓ {'x' * 100}\n"
