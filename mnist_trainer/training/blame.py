"""Whose code it was that could not run: a user's layer or loss, found once, on the way out."""

from contextlib import suppress

from mnist_trainer.errors import MnistTrainerError, SlipError
from mnist_trainer.kernels.arrays import Array, Indices, Shape
from mnist_trainer.layers.stack import LayerPlace
from mnist_trainer.losses.loss import Loss
from mnist_trainer.model import Sequential
from mnist_trainer.slips import checked_array, in_users_code, is_own
from mnist_trainer.training.divergence import place_name, watching_layers


def blame_user_code(error: Exception, model: Sequential, loss: Loss, x: Array, labels: Indices) -> Exception:
    """Return an error that says what a user's layer or loss did; the error itself if none had a part in it."""
    if isinstance(error, MnistTrainerError):
        return error
    return in_users_code(error) or wrong_user_return(model, loss, x, labels) or error


def wrong_user_return(model: Sequential, loss: Loss, x: Array, labels: Indices) -> SlipError | None:
    """Do a step again; return what is wrong with the first array that a user's layer returns, forward or backward."""
    seen: list[SlipError] = []
    after = [*model.stack.shapes[1:], model.out_shape]

    def look(place: LayerPlace, returned: object, method: str, shape: Shape) -> None:
        if not seen and not is_own(place.layers[0]):
            try:
                checked_array(returned, (len(x), *shape), f"{place_name(place)}.{method}")
            except SlipError as error:
                seen.append(error)

    def look_forward(place: LayerPlace, y: object) -> None:
        if len(place.path) == 1:  # what those inside others return is not known
            look(place, y, "forward", after[place.path[0]])

    def look_backward(place: LayerPlace, dx: object) -> None:
        look(place, dx, "backward", place.in_shapes[0])

    with suppress(Exception), watching_layers(model, "forward", look_forward):
        loss.forward(model.forward(x, training=True), labels)
        with watching_layers(model, "backward", look_backward):
            model.backward(loss.backward(1.0), need_dx=True)
    return seen[0] if seen else None
