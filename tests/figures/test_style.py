import errno
import os

import pytest

from mnist_trainer.figures.style import drawing

PNG = b"\x89PNG\r\n\x1a\n"


def draw(path):
    with drawing(path, 1, 1) as figure:
        figure.subplots()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_a_picture_comes_whole_or_not_at_all(tmp_path, monkeypatch, error):
    path = tmp_path / "picture.png"
    draw(path)
    before = path.read_bytes()
    assert before.startswith(PNG)

    def half(target, *args, **kwargs):
        target.write(before[:50])
        raise error

    monkeypatch.setattr("mnist_trainer.figures.style.imsave", half)
    with pytest.raises(type(error)) as caught:
        draw(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)


@pytest.mark.parametrize("name", ["picture.png", "picture.svg"])
@pytest.mark.parametrize("words", ["$\\q$", "a$b{$.png", "日本", "\x1b[31m"])
def test_a_name_is_drawn_whatever_signs_it_has(tmp_path, name, words):
    path = tmp_path / name
    with drawing(path, 2, 2) as figure:
        axes = figure.subplots()
        axes.set_title(words)
        axes.set_xticks([0], [words])
        axes.set_yscale("log")
    assert path.stat().st_size > 1000
