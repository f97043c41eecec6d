import matplotlib.figure
import pytest

from mnist_trainer.figures import style


@pytest.fixture
def drawn(monkeypatch):
    """The figures drawn, for a look at what is on them."""
    figures = []

    def recorded(**options):
        figures.append(matplotlib.figure.Figure(**options))
        return figures[-1]

    monkeypatch.setattr(style, "Figure", recorded)
    return figures
