"""The process that draws the shipper's pictures: the same ones, and also when it dies."""

import pytest

from mnist_trainer.shipping.painter import Painter
from mnist_trainer.shipping.pictures import draw_folder


@pytest.fixture
def painter():
    painter = Painter()
    yield painter
    painter.close()


def test_it_draws_what_is_asked_for_and_goes_on_after_what_can_not_be_drawn(painter, begin, write, monkeypatch):
    one, other = begin("a"), begin("b")
    write(one)
    write(other)
    wanted = [path.name for path in draw_folder(one.folder)]
    (other.folder / "journal.jsonl").unlink()
    monkeypatch.setattr("mnist_trainer.shipping.painter.draw_pictures", None)  # in this process
    asked = [painter.begin(folder) for folder in (other.folder, one.folder)]
    assert asked[0]() == []
    assert asked[1]() == [one.folder / name for name in wanted]
    assert len(wanted) == 2


def test_when_it_has_died_the_pictures_are_drawn_all_the_same(painter, begin, write):
    write(begin("a"))
    folder = begin("b").folder.parent / "a"
    painter._child.kill()
    drawn = painter.begin(folder)()
    assert [path.name for path in drawn] == ["learning_curves.png", "confusion_matrix.png"]
    assert all(path.exists() for path in drawn)
