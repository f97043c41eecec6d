import contextlib
import json
from pathlib import Path

import pytest

from mnist_trainer.errors import ConfigError
from mnist_trainer.files import write_whole
from mnist_trainer.runs.outcome import concluding_outcome, forget_folder, write_failure, write_outcome


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "outputs" / "2026-01-01" / "run"
    (path / ".hydra").mkdir(parents=True)
    (path / ".hydra" / "config.yaml").touch()
    (path / "mnist_trainer.log").touch()
    return path


def fail(folder, **options):
    with concluding_outcome(folder, folder.parents[1], ["a=1"], **options):
        raise ConfigError("wrong")


def test_a_run_that_never_began_leaves_no_folder(folder):
    with pytest.raises(ConfigError):
        fail(folder)
    assert list(folder.parent.iterdir()) == []


def test_a_folder_with_a_users_files_is_never_removed(folder):
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError):
        fail(folder)
    assert (folder / "thesis.tex").read_text() == "years of work"
    forget_folder(folder, folder.parents[1])
    assert (folder / "thesis.tex").exists()


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_is(folder):
    (folder / "journal.jsonl").write_text("{}\n")
    (folder / "outcome.json").write_text("kept")
    with pytest.raises(ConfigError, match="holds a run already"):
        fail(folder)
    assert (folder / "outcome.json").read_text() == "kept"


def test_a_sweeps_job_that_fails_says_why_in_its_folder(folder):
    with pytest.raises(ConfigError):
        fail(folder, keep=True)
    outcome = json.loads((folder / "outcome.json").read_text())
    assert outcome == {"status": "FAILED", "reason": "wrong", "overrides": ["a=1"], "exit_code": 2}


def test_the_bugs_of_a_plugin_are_written_down_too(folder):
    with pytest.raises(ZeroDivisionError), concluding_outcome(folder, folder.parents[1], []):
        raise ZeroDivisionError("division by zero")
    assert json.loads((folder / "outcome.json").read_text())["reason"] == "ZeroDivisionError: division by zero"


def test_a_result_that_stands_is_not_overwritten_by_what_goes_wrong_after_it(folder):
    with contextlib.suppress(KeyboardInterrupt), concluding_outcome(folder, folder.parents[1], []):
        write_outcome(folder, "FINISHED", None, [])
        raise KeyboardInterrupt
    assert json.loads((folder / "outcome.json").read_text())["status"] == "FINISHED"


def test_the_result_of_what_ran_in_the_folder_before_is_none_of_what_fails_there(folder):
    write_outcome(folder, "FINISHED", None, [])
    with pytest.raises(ConfigError):
        fail(folder, keep=True)
    assert json.loads((folder / "outcome.json").read_text())["status"] == "FAILED"


def test_a_file_that_can_not_be_written_is_named_and_stays_as_it_was(folder, monkeypatch, caplog):
    write_outcome(folder, "FINISHED", None, [])
    before = (folder / "outcome.json").read_bytes()
    names = sorted(path.name for path in folder.iterdir())

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(folder / "outcome.json", "{}")
    assert caught.value.filename == str(folder / "outcome.json")
    assert (folder / "outcome.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == names
    (folder / "outcome.json").unlink()
    write_failure(folder, ConfigError("what ended the run"), [])  # told, and no error of its own
    assert "outcome.json: No space left on device" in caplog.text
