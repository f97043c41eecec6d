"""scikit-learn's training steps, an epoch of its own at a time over images that are floats already; and its answers."""

import warnings

import numpy as np
import sklearn
from contenders.cases import CLASSES, MOMENTUM, RATE, Answering, Contender, Training
from sklearn.neural_network import MLPClassifier

VERSION = f"scikit-learn {sklearn.__version__}"


def set_threads(threads: int) -> None:
    """Nothing to say: it takes NumPy's products."""
    del threads


def contenders(case: Training | Answering) -> dict[str, Contender]:
    """Return what does a number of steps, or answers, or nothing for a network with convolutions."""
    if case.hidden is None:
        return {}
    if isinstance(case, Answering):
        network, pixels = built(case, "sgd", 1), case.images()
        put_weights(case, network)

        def answer(times: int) -> None:
            for _ in range(times):
                network.predict(pixels.reshape(case.count, -1).astype(np.float32) / 255)

        return {"scikit-learn": Contender(answer)}
    network = built(case, case.optimizer, case.batch)
    images, labels = case.images_and_labels()
    x, y, samples = images.reshape(len(labels), -1).astype(np.float32) / 255, labels.astype(int), len(labels)

    def run(count: int) -> None:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for start in range(0, count * case.batch, samples):
                some = min(count * case.batch - start, samples)
                network.partial_fit(x[:some], y[:some])

    def restart() -> None:
        put_weights(case, network)
        update = network._optimizer
        update.t = 0
        for name in ("velocities", "ms", "vs"):
            for array in getattr(update, name, ()):
                array.fill(0)

    return {"scikit-learn": Contender(run, restart)}


def built(case: Training | Answering, optimizer: str, batch: int) -> MLPClassifier:
    """Make a network; an update on blank images makes its arrays, and tells it the classes."""
    network = MLPClassifier(
        case.hidden,
        solver=optimizer,
        alpha=0,
        batch_size=batch,
        learning_rate_init=RATE[optimizer],
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        random_state=0,
    )
    return network.partial_fit(np.zeros((batch, 784), np.float32), np.zeros(batch, int), classes=range(CLASSES))


def put_weights(case: Training | Answering, network: MLPClassifier) -> None:
    """Give it the case's weights, and biases of 0."""
    for place, weights in zip(network.coefs_, case.weights(), strict=True):
        place[...] = weights
    for place in network.intercepts_:
        place.fill(0)
