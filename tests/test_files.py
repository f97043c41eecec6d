import pytest

from mnist_trainer.files import replacing


def test_the_file_appears_whole(tmp_path):
    target = tmp_path / "new folder" / "file"
    with replacing(target) as file:
        file.write(b"some")
        assert not target.exists()
    assert target.read_bytes() == b"some"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, OSError])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(error), replacing(target) as file:  # noqa: PT012
        file.write(b"half of the n")
        raise error
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
