"""scikit-learn's training steps: MLPClassifier, an epoch of its own at a time over images that are floats already."""

import warnings
from collections.abc import Callable

import numpy as np
import sklearn
from contenders.cases import CLASSES, MOMENTUM, SAMPLES, Case, images_and_labels
from sklearn.neural_network import MLPClassifier

VERSION = f"scikit-learn {sklearn.__version__}"


def set_threads(threads: int) -> None:
    """Nothing to say: it takes NumPy's products."""
    del threads


def contenders(case: Case) -> dict[str, Callable[[int], object]]:
    """Return what does a number of steps, or nothing for a network with convolutions."""
    if case.hidden is None:
        return {}
    images, labels = images_and_labels()
    x, y = images.reshape(SAMPLES, -1).astype(np.float32) / 255, labels.astype(int)
    network = MLPClassifier(
        case.hidden,
        solver=case.optimizer,
        alpha=0,
        batch_size=case.batch,
        learning_rate_init=case.rate,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        random_state=0,
    )

    def run(count: int) -> None:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for start in range(0, count * case.batch, SAMPLES):
                samples = min(count * case.batch - start, SAMPLES)
                network.partial_fit(x[:samples], y[:samples], classes=range(CLASSES))

    return {"scikit-learn": run}
