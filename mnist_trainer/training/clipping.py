"""The largest norm that a gradient may have: `trainer.clip_norm`.

`auto` is a share of the typical norm so far, which is the mean over all updates, each counted up to the typical norm
before it. What it is for: a learning rate that is too high for the data at hand makes norms grow from update to update
until the ReLUs are dead; limited, they come back. It follows the loss's own scale, unlike a fixed number: a gradient
that is a hundred times too large has a limit a hundred times as large, so that no mistake is hidden by it. It never
rises: where gradients are small for long and large later, a number, or null, is quicker.
"""

from typing import Literal

AUTO: Literal["auto"] = "auto"
SHARE = 0.7
"""Of the typical norm. With 1, large networks on few images are still harmed early; with 0.5, learning is slower."""

ClipNorm = float | Literal["auto"] | None


def clip_limit(clip_norm: ClipNorm, typical: float | None) -> float | None:
    """Return the largest norm for the next gradient; None if any will do, as for the first one under `auto`."""
    if clip_norm == AUTO:
        return SHARE * typical if typical else None
    return clip_norm


def clip_scale(norm: float, largest: float | None) -> float:
    """Return the factor, at most 1, that makes a gradient of this norm one of at most the `largest` norm."""
    return 1.0 if largest is None or norm <= largest else largest / norm


def norm_for_typical(norm: float, typical: float | None) -> float:
    """Return what a gradient's norm adds to the sum whose mean over the updates is the typical norm."""
    return min(norm, typical) if typical else norm
