"""What is said of an error, in words."""

import pytest

from mnist_trainer.errors import ConfigError, error_in_words, error_reason


def of(action):
    with pytest.raises(Exception) as caught:  # noqa: PT011  (whatever it is)
        action()
    return error_in_words(caught.value)


def test_a_file_s_error_names_the_file_and_no_number(tmp_path):
    there, link = tmp_path / "there", tmp_path / "link"
    there.mkdir()
    link.symlink_to(tmp_path / "gone")
    assert of((tmp_path / "gone").open) == f"{tmp_path}/gone: No such file or directory"
    assert of(there.mkdir) == f"{there}: File exists"
    assert of(link.mkdir) == f"{link}: a link that leads nowhere"


def test_others_say_what_they_say():
    assert error_in_words(OSError(28, "No space left on device")) == "No space left on device"
    assert error_in_words(OSError("no number")) == "no number"
    assert error_in_words(ConfigError("seed", "epochs")) == "seed\nepochs"


def test_the_reason_leaves_the_file_out():
    assert error_reason(FileNotFoundError(2, "No such file or directory", "here")) == "No such file or directory"
    assert error_reason(MemoryError()) == "MemoryError"
