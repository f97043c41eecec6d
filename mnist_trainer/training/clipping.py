"""The largest norm that a gradient may have: `trainer.clip_norm`.

`auto` is the mean of the norms of all gradients before, as they were clipped. It follows the loss's own scale: a loss
that is a hundred times too large has a hundred times the limit, and is as wrong with it as without, whereas a fixed
number would hide it. A learning rate that is a little too high for the data, which without a limit makes norms grow
from update to update until every ReLU is dead, costs a few updates with it. The limit never rises.
"""

from typing import Literal

AUTO: Literal["auto"] = "auto"
ClipNorm = float | Literal["auto"] | None


def limit(clip_norm: ClipNorm, norms: float, updates: int) -> float | None:
    """Return the largest norm for the gradient after so many updates; None if any will do.

    `norms` is the sum over these updates, as they were clipped. Where it is 0, nothing is known yet.
    """
    if clip_norm == AUTO:
        return norms / updates if norms else None
    return clip_norm


def scale(norm: float, largest: float | None) -> float:
    """Return the factor, at most 1, that makes a gradient of this norm one of the `largest` norm."""
    return 1.0 if largest is None or norm <= largest else largest / norm
