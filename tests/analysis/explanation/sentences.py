"""What the page's sentences say, number by number, held against NumPy."""

import re

import numpy as np

from tests.analysis.explanation.held import alike, written

NUMBER = r"(−?(?:inf|\d[\d,]*(?:\.\d+)?(?:e−?\d+)?)|nan)"
FLOORS, CLIP = {64: 1e-300, 32: 1e-30}, 1e-7
RAISED = ("separate", "clipped", "double_jacobian")  # whose softmax holds p above the floor
POSTED = ("posted_question", "posted_answer", "double_jacobian")  # which take (p − t)/N for dL/dp


def way_by_numpy(way, z, label, *, bits, batch=1, row=0, unshifted=False):
    """Return what a way makes of logits: loss, dt, dp, jacobian and dz, None for what it doesn't compute."""
    kind = np.float32 if bits == 32 else np.float64
    z, n, floor, t = np.asarray(z).astype(kind), kind(batch), kind(FLOORS[bits]), np.eye(len(z), dtype=kind)[label]
    shifted = z if unshifted else z - z.max()
    with np.errstate(all="ignore"):
        e = np.exp(shifted.astype(float)).astype(kind)  # rounded once, as the page does
        p = e / e.sum()
        p = np.maximum(p, floor) if way in RAISED else p
        low, high = kind(CLIP), kind(1) - kind(CLIP)
        read = {"clipped": np.clip(p, low, high), "fused": None}.get(
            way, np.maximum(p, floor) if way in ("separate", "diagonal", "logits_for_p") else p
        )
        logs = shifted - np.log(e.sum()) if read is None else np.log(read)
        whole_rows = way in ("homework", "textbook", *POSTED)
        found = {"p": p, "loss": -(t * logs).sum() if whole_rows else -logs[label], "dt": -logs / n}
        if way in ("fused", "homework"):
            return {**found, "dp": None, "jacobian": None, "dz": (p - t) / n}
        inside = (p >= low) & (p <= high) if way == "clipped" else True
        floored = np.maximum(p, floor) if way in ("separate", "diagonal", "logits_for_p") else p
        dp = (p - t) / n if way in POSTED else np.where((t > 0) & inside, -1 / (n * floored), 0).astype(kind)
        dp = -t / p / n if way == "textbook" else dp  # entry by entry, as it is posted: −0/0 is nan
        if way == "posted_question" and batch not in (1, len(z)):
            return {**found, "dp": dp, "jacobian": None, "dz": None}
        ones = np.eye(len(z), dtype=kind)
        if way in ("posted_answer", "diagonal", "posted_question"):
            one = ones[row] if way == "posted_question" and batch != 1 else 1
            return {**found, "dp": dp, "jacobian": np.diag(p * (one - p)), "dz": dp * (p * (one - p))}
        if way == "logits_for_p":
            jacobian = z[:, np.newaxis] * (ones - z)
            product = np.where(dp[:, np.newaxis] == 0, 0, dp[:, np.newaxis] * jacobian)
            return {**found, "dp": dp, "jacobian": jacobian, "dz": product.sum(axis=0)}
        jacobian = np.where(ones > 0, p * (1 - p), -np.outer(p, p))
        return {**found, "dp": dp, "jacobian": jacobian, "dz": p * (dp - (dp * p).sum())}


def check_way(visit):
    """Hold all that a way computes against the same in NumPy; nan and inf stand where they do there."""
    state, z, label = visit.read("state"), visit.array("situation.z"), visit.read("situation.label")
    settings = {key: state[key] for key in ("bits", "batch", "row", "unshifted")}
    right, found = way_by_numpy(state["way"], z, label, **settings), visit.read("situation.found")
    bound = {"rtol": 1e-9, "atol": 1e-12} if state["bits"] == 64 else {"rtol": 3e-5, "atol": 3e-6}
    for name, value in right.items():
        assert (value is None) == (found[name] is None), name
        if value is not None:
            entries = np.array(found[name], float)
            if name == "jacobian":
                left_out = np.array([[entry is None for entry in line] for line in found[name]])
                entries, value = np.where(left_out, 0, entries), np.where(left_out, 0, value)
            size = np.abs(value[np.isfinite(value)]).max(initial=1) if np.ndim(value) else 1
            np.testing.assert_allclose(entries, value, bound["rtol"], bound["atol"] * size, err_msg=f"{name}, {state}")


def points_said(visit):
    texts = visit.read("[...document.querySelectorAll('#point-list .answer')].map(e => e.innerText)")
    return [" ".join(text.split()) for text in texts]


def check_points(visit):
    """Hold every number of the eleven answers against the situation, and against what stands in the table."""
    state, z, label, rival = (
        visit.read("state"), visit.array("situation.z"), visit.read("situation.label"), visit.read("situation.rival")
    )  # fmt: skip
    names = visit.read("situation.z.map((_, k) => situation.name(k))")
    truth, found = visit.read("situation.truth"), visit.read("situation.found")
    said = points_said(visit)
    classes, n = len(z), state["batch"]
    p, dz, dt, dp, jacobian = (np.array(truth[key], float) for key in ("p", "dz", "dt", "dp", "jacobian"))

    def numbers(point, form, *values):
        match = re.search(form.replace("#", NUMBER), said[point - 1])
        assert match, (form, said[point - 1])
        for text, value in zip(match.groups(), values, strict=True):
            assert value is None or written(text.replace(",", ""), value), (point, text, value, said[point - 1])

    if np.isfinite(dp[label]) and jacobian[label, rival]:
        numbers(1, r"\(#\) · \(#\) ≈ #, and", dp[label], jacobian[label, rival], dz[rival])
    numbers(1, r"and \(p − t\)/N at \S+ ?\S* is #(?: \(N = \d+\))?\.", dz[rival])
    assert f"({n}, {classes})" in said[1]
    assert f"counts the images, {n} here" in said[2]
    posted = way_by_numpy("posted_question", z, label, **{k: state[k] for k in ("bits", "batch", "row", "unshifted")})
    if posted["dz"] is None:
        assert "so it can't run" in said[2]
    elif np.isfinite(posted["dz"]).all():
        near(re.search(f"off by up to {NUMBER}", said[2])[1], np.abs(posted["dz"] - dz).max())
        uphill = float(posted["dz"].astype(float) @ dz)
        assert ("uphill" in said[2]) == (uphill < 0) or abs(uphill) < 1e-12
    else:
        assert "∂L/∂z" in said[2]
        assert re.search("is (nan|inf)", said[2])
    numbers(5, rf"−t/\(N p\): # at .*? and 0 at .*?, not # and #(?: \(N = {n}\))?\.", dp[label], dz[label], dz[rival])
    numbers(6, r"to them: # at .*?, # at", dt[label], dt[rival])
    numbers(7, r"\) is #, and stands", jacobian[rival, label])
    numbers(8, r"is then #(?: \(N = \d+\))?\.", dz[label])
    numbers(9, "maximum, # here", z.max())
    check_table(said, names, truth, found, state, label, rival)
    check_fates(visit, said, z, label, state)
    shown = "the first line under it" in said[7]
    feet = visit.read("[...document.querySelectorAll('#block-j .plain')].map(e => e.innerText)")
    assert not shown or set(feet) <= {"0", "≈0"}
    assert p.sum() == 1 or abs(p.sum() - 1) < 1e-12


def check_table(said, names, truth, found, state, label, rival):
    """A figure that the table has otherwise is told with the table's, and no other is."""
    places = {
        1: [("∂L/∂p", "dp", (label,)), ("J", "jacobian", (label, rival)), ("∂L/∂z", "dz", (rival,))],
        5: [("∂L/∂p", "dp", (label,))] if state["way"] not in POSTED else [],
        6: [("∂L/∂t", "dt", (label,)), ("∂L/∂t", "dt", (rival,))],
        7: [("J", "jacobian", (rival, label))],
        8: [("∂L/∂z", "dz", (label,))],
    }
    for point, figures in places.items():
        other = re.search(
            r"These numbers are right; “[^”]*” has (.*?) in the table above, in float(\d\d)\.", said[point - 1]
        )
        told = dict(re.findall(r"([^ ]+\([^)]*\)) = ([^ ,]+)", other[1])) if other else {}
        assert not other or int(other[2]) == state["bits"]
        for sign, key, place in figures:
            right, value = truth[key], found[key]
            for k in place:
                right, value = right[k], None if value is None else value[k]
            name = f"{sign}({', '.join(names[k] for k in place)})"
            if value is None or alike(right, value):
                assert name not in told
            else:
                assert written(told.pop(name), value)
        assert not told


def check_fates(visit, said, z, label, state):
    """What points 10 and 11 say of float32 is what NumPy makes of it."""
    settings = {"bits": 32, "batch": state["batch"], "row": state["row"]}
    if np.isfinite(way_by_numpy("textbook", z, label, **settings)["loss"]):  # an example where it isn't
        assert " instead, L is " in said[9]
        most = np.delete(z, label).max()
        z = np.where(np.arange(len(z)) == label, -104, np.maximum(z - most, -20))
    four = "WAYS.filter(({name}) => ['fused', 'separate', 'homework', 'textbook'].includes(name))"
    for way, title in visit.read(f"{four}.map(({{name, title}}) => [name, title])"):
        found = way_by_numpy(way, z, label, **settings)
        match = re.search(rf"{title}: L {NUMBER}, ∂L/∂z\(\S+\) {NUMBER}(?:;|\.$)", said[9])
        near(match[1], found["loss"])
        near(match[2], found["dz"][label])
    match = re.search(rf"have a loss of {NUMBER};.*here, {NUMBER}; log-sum-exp in one node says {NUMBER}\.", said[10])
    for text, way in zip(match.groups(), ("textbook", "separate", "fused"), strict=True):
        near(text, way_by_numpy(way, z, label, **settings)["loss"])


def near(text, value):
    """Whether a text is the number, but for float32's rounding and the text's own."""
    text = text.replace(",", "").replace("−", "-")
    if not np.isfinite(value):
        assert text == str(value)
        return
    digits, _, exponent = text.partition("e")
    last = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    assert abs(float(text) - value) <= 0.51 * last + 1e-4 * abs(value) + 3e-7, (text, value)
