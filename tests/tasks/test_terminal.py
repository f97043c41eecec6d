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
