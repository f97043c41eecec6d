"""What a page's numbers are held against: NumPy, and this program's own nodes, on the same weights."""

import re

import numpy as np

from mnist_trainer.analysis.explanation.numbers import mode_to_explain
from mnist_trainer.analysis.explanation.writing import plain
from mnist_trainer.analysis.reference import reference_cross_entropy
from mnist_trainer.analysis.studies.saturation_curves import OneHotMode
from mnist_trainer.config import LossConfig
from mnist_trainer.errors import MistakeError
from mnist_trainer.layer_list import build_list, entry_of
from mnist_trainer.model import Sequential

NODES = ("separate", "fused", "homework", "clipped", "posted_question", "posted_answer", "diagonal", "double_jacobian")


def logits_by_numpy(network, pixels):
    """What the network's float32 parameters make of bytes in float64; all of its parameters, so that one can step."""
    x = pixels.reshape(1, -1) * network.scaling.scale + network.scaling.shift
    return network_by_numpy(network).forward(x.reshape(1, *network.dataset.image_shape), training=False)[0].copy()


def network_by_numpy(network):
    layers = build_list([entry_of(layer) for layer in network.model.stack.layers], "layers")
    model = Sequential(layers, network.dataset.image_shape, 1, "float64", np.random.default_rng(0))
    for key, view in model.arrays.items():
        view[...] = network.model.arrays[key]
    return model


def node(name, classes, batch, dtype):
    if name == "homework" or name.startswith("posted") or name == "double_jacobian":
        return OneHotMode(LossConfig(name), classes, batch, dtype)  # whose log is of whole rows
    return mode_to_explain(name, classes, batch, dtype)


def close(found, right, bits=64):
    bound = {"rtol": 1e-9, "atol": 1e-12} if bits == 64 else {"rtol": 2e-5, "atol": 2e-6}
    np.testing.assert_allclose(found, right, **bound, equal_nan=True)


def check_numbers(visit, network):
    """Hold all that the page computes of its situation against NumPy and this program's own nodes."""
    state = visit.read(
        "(({way, batch, row, bits, label, unshifted}) => ({way, batch, row, bits, label, unshifted}))(state)"
    )
    z, label, found, truth = (
        visit.array("situation.z"),
        visit.read("situation.label"),
        *map(visit.read, ("situation.found", "situation.truth")),
    )
    classes, n = len(z), state["batch"]
    right = reference_cross_entropy(z[np.newaxis], np.array([label]))
    close(truth["loss"], right.losses[0])
    close(truth["dz"], right.logits[0] / n)
    close(truth["dt"], right.targets[0] / n)
    p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    close(truth["p"], p)
    close(truth["jacobian"], np.diag(p) - np.outer(p, p))
    if state["way"] in NODES and not state["unshifted"]:
        dtype = np.float32 if state["bits"] == 32 else np.float64
        mode = node(state["way"], classes, n, dtype)
        with np.errstate(all="ignore"):
            loss = mode.forward(np.tile(z, (n, 1)).astype(dtype), np.full(n, label))
            close(found["loss"], loss, state["bits"])
            try:
                close(found["dz"], mode.backward()[state["row"]], state["bits"])
            except MistakeError:
                assert found["dz"] is None
                assert found["refused"]
    shown_p = [found["read"] if k == label else value for k, value in enumerate(found["p"])]
    for block, values in (("block-p", shown_p), ("block-dz", found["dz"]), ("block-right", truth["dz"])):
        texts, rows = visit.shown(block), visit.read("situation.shown")
        for text, k in zip(texts, rows, strict=True):
            assert text == "" if values is None else written(text, values[k])
    rounding = rounding_of(visit, z, state)
    equal = found["dz"] is not None and not differing_rows(found["dz"], truth["dz"], rounding)
    feet = visit.read("[...document.querySelectorAll('#block-j .weighted')].map(e => e.innerText)")
    if found["jacobian"] is not None:  # what stands under J is what stands beside it
        assert [text in ("nan", "inf", "−inf") for text in feet] == [
            not np.isfinite(found["dz"][k]) for k in visit.read("situation.shown")
        ]
    check_marks(visit, found["dz"], truth["dz"], rounding)
    said = visit.read("document.querySelector('#verdict').innerText")
    assert ("are equal in all" in said) == equal
    assert visit.read("document.querySelector('#sign').textContent") == (
        "=" if equal else "≠" if found["dz"] is not None else ""
    )


def rounding_of(visit, z, state):
    """What rounding may make of ∂L/∂z: of a formula that is right in mathematics; of a wrong one nothing is excused."""
    if visit.read("situation.way.group") == "wrong":
        return 0.0
    eps = np.finfo(np.float32 if state["bits"] == 32 else np.float64).eps
    return 2 * eps * (len(z) + np.abs(z).max()) / state["batch"]


def differing_rows(dz, right, rounding):
    return [k for k, (a, b) in enumerate(zip(dz, right, strict=True)) if not alike(a, b) and not abs(a - b) <= rounding]


def check_marks(visit, dz, right, rounding):
    """A cross stands in the rows that are wrong; a sum that is 0 but for rounding is 0 in the last line, too."""
    crossed = visit.read(
        "[...document.querySelectorAll('#block-dz .off')].map(row => Number(row.dataset.class)).sort((a, b) => a - b)"
    )
    shown = visit.read("situation.shown")
    assert crossed == ([] if dz is None else [k for k in differing_rows(dz, right, rounding) if k in shown])
    foot = visit.read("document.querySelector('#block-dz .foot').innerText")
    said = visit.read("document.querySelector('#verdict').innerText")
    if dz is not None and np.isfinite(dz).all():
        assert (foot == "Σ 0") == ("not to 0" not in said)
        assert "not to 0" not in said or "are equal" not in said
    assert visit.read("document.querySelector('#block-right .foot').innerText") == "Σ 0"


def written(text, value):
    """Whether a text is the rounded number."""
    if not np.isfinite(value):
        return text.replace("−", "-") == str(value)
    read = float(text.replace("−", "-"))
    digits = text.partition("e")[0].partition(".")[2]
    exponent = int(text.partition("e")[2].replace("−", "-") or 0)
    return abs(read - value) <= 0.5000001 * 10.0 ** (exponent - len(digits))


def alike(one, other):
    """Whether two numbers are written alike: as the lecture writes them."""
    one, other = (plain(value) if np.isfinite(value) else str(value) for value in (one, other))
    return one == other


def check_words(visit):
    """Hold what is said of a situation against its numbers."""
    found, truth, state, way = map(visit.read, ("situation.found", "situation.truth", "state", "situation.way"))
    said = visit.read("[...document.querySelectorAll('#verdict li')].map(line => line.innerText)")
    loss = visit.read("document.querySelector('#loss').innerText")
    assert (" = −log p(" in loss or " = log Σ e" in loss) == alike(found["loss"], truth["loss"])
    if " = " not in loss.partition("in float")[2]:
        check_reason(visit, loss, found, truth, way)
    if found["dz"] is None:
        assert said[0].startswith("✗ It can't run")
        return
    dz, right = np.array(found["dz"]), np.array(truth["dz"])
    if not np.isfinite(dz).all():
        assert re.match(r"✗ ∂L/∂z is (−?inf|nan)", said[0])
        return
    rounding = rounding_of(visit, visit.array("situation.z"), state)
    differing = differing_rows(dz, right, rounding)
    equal, differ = (
        re.search(form, said[0]) for form in (r"equal in all (\d+) rows", r"differ in (\d+) of (\d+) rows")
    )
    assert bool(equal) != bool(differ)
    assert int(equal[1]) == len(dz) if equal else [int(n) for n in differ.groups()] == [len(differing), len(dz)]
    assert bool(equal) == (not differing)
    if "not to 0" in said[1]:
        assert differing
        assert written(re.search(r"sums to (\S+),", said[1])[1], dz.sum())
        assert way["jacobian"] not in (
            "whole",
            None,
        )  # which sum to 0 in mathematics, whatever they are multiplied with
    elif differing and dz.sum():
        scale = np.abs(dz).max() if found["dp"] is None else max(np.abs(dz).max(), np.abs(found["dp"]) @ found["p"])
        assert abs(dz.sum()) <= 4 * len(dz) * scale * (2.0**-23 if state["bits"] == 32 else 2.0**-52)
    if differing and np.abs(dz).max() > 1e-29 and np.linalg.norm(right) > 1e-29:
        direction = dz / np.abs(dz).max()  # whose square doesn't overflow
        along = direction @ right
        assert ("points downhill (" in said[2] and "the loss falls" in said[2]) == (along > 0)
        cosine = along / np.linalg.norm(direction) / np.linalg.norm(right)
        assert abs(float(re.search(r"parallel: (−?[\d.e−]+);", said[2])[1].replace("−", "-")) - cosine) <= 0.00501


def check_reason(visit, loss, found, truth, way):
    """Why L isn't the true one: where p is held the word is said, in the table, too."""
    held = visit.read("isHeld(situation)")
    label = visit.read("situation.label")
    if np.isfinite(found["loss"]):
        assert ("p is held" in loss) == held
        assert ("rounding" in loss) == (not held)
    if held:
        assert way.get("floor") or way["loss"] in ("floored", "clipped")
        assert "held" in visit.read(f"document.querySelector('#block-p [data-class=\"{label}\"]').className")
        assert truth["p"][label] != found["read"]
