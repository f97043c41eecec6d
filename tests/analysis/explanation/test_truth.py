"""Every sentence of the lecture is true of the numbers at hand, however badly the network was trained.

What is claimed is read from the text, and held against the mathematics written down here again in longer floats.
"""

import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mnist_trainer.analysis.explanation.lecture import lecture
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import Subject, typeable
from mnist_trainer.analysis.explanation.writing import number, shown_classes, times

FLOOR = 1e-300


@st.composite
def images(draw):
    """Draw logits that are ordinary, flat, saturated, tied or huge, of 2 to 47 classes, with a label and a batch."""
    classes = draw(st.integers(2, 47))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["ordinary", "flat", "alike", "sure", "tied", "huge", "enormous", "own softmax"]))
    scale = {"flat": 1e-3, "alike": 0, "sure": 30, "huge": 1e4, "enormous": 1e9}.get(kind, 2)
    logits = scale * rng.standard_normal(classes) + draw(st.sampled_from([0, 0, 5, -800, 800]))
    if kind == "tied":
        logits[rng.integers(classes, size=3)] = logits.max() + draw(st.sampled_from([0, 1, 40]))
    if kind == "own softmax":
        logits = np.full(classes, 1 / classes)
    label = draw(st.sampled_from([int(rng.integers(classes)), int(logits.argmax()), int(logits.argmin())]))
    return typeable(logits), label, draw(st.sampled_from([1, 3, classes]))


class Truth:
    """The same numbers in longer floats, which go down to 1e-4932."""

    def __init__(self, z, label):
        e = np.exp((z - z.max()).astype(np.longdouble))
        self.p = e / e.sum()
        self.t = np.eye(len(z), dtype=np.longdouble)[label]
        self.right = self.p - self.t
        self.right[label] = -np.delete(self.p, label).sum()
        self.posted = self.right * self.p * (1 - self.p)
        kept = self.p.astype(float) / np.maximum(self.p.astype(float), FLOOR)  # of a p that the division by it sees
        self.diagonal = np.where(self.t == 1, self.right * kept, 0)
        self.held = np.maximum(self.p, FLOOR)
        self.loss = -(z[label] - z.max() - np.log(e.sum()))
        self.jacobian = np.diag(self.p) - np.outer(self.p, self.p)
        np.fill_diagonal(self.jacobian, [p * np.delete(self.p, i).sum() for i, p in enumerate(self.p)])


def explained(z, label, batch):
    names = [str(i) for i in range(len(z))]
    subject = Subject(z, label, names, np.full((9, 9), 200, np.uint8), 3, "data", "A network.", "A reason.")
    return explain_gradient(subject, np.tile(z, (batch, 1)), np.full(batch, label))


def value(text):
    """Read a number as it was written."""
    return float(text.replace("−", "-").replace(",", ""))


def near(text, truth, *, scale=0.0):
    """Whether a number as it was written is the rounded truth; `scale` is what it was computed from."""
    digits = 0.51 * 10.0 ** -len(text.partition("e")[0].partition(".")[2])
    mantissa, _, exponent = text.partition("e")
    unit = digits * 10.0 ** int(exponent.replace("−", "-") or 0) if mantissa else digits
    return abs(value(text) - float(truth)) <= unit + 1e-9 * abs(float(truth)) + 1e-15 * scale


def table_of(text, title):
    """Return a section's table by column, its classes as numbers."""
    section = text.split(f"{title}\n", 1)[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    head, _, *cells = rows[: rows.index(rows[-1]) + 1]
    cells = [row for row in cells if len(row) == len(head) and row[0].split()[0].isdigit()]
    return {int(row[0].split()[0]): dict(zip(head, row, strict=True)) for row in cells}


NUMBERS = re.compile(r"[−+-]?\d[\d.,]*(?:e[-+]?\d+)?")


@pytest.mark.long
@settings(max_examples=60)
@given(images())
def test_no_number_is_longer_than_twelve_characters_and_none_is_missing(case):
    text = lecture(explained(*case))
    numbers = [found.strip(".,") for found in NUMBERS.findall(text)]
    assert max(map(len, numbers)) <= 12
    said, _ = text.split("## 13.")
    assert "nan" not in re.sub(r"(dL/dz\(\d+\)|L is|p is) nan", "", said)
    assert "inf" not in re.sub(r"(loss of|node:|textbook:) inf", "", said)
    code = [line for block in text.split("```")[1::2] for line in block.splitlines()]
    assert max(map(len, code)) <= 78  # two blanks before them make 80


@settings(max_examples=80)
@given(images())
def test_the_tables_and_what_is_called_equal(case):
    z, label, batch = case
    e, truth = explained(*case), Truth(z, label)
    text = lecture(e)
    expected = {
        "p": truth.held,
        "p − t": truth.right,
        "fused node": truth.right,
        "Jᵀ·dL/dp": truth.right,
    }
    for i, row in table_of(text, "The fused backward: p − t").items():
        for name, of in expected.items():
            assert near(row[name], of[i], scale=1), (i, name, row[name], of[i])
        assert row["t"] == ("1" if i == label else "0")
    for i, row in table_of(text, "−t/p").items():
        assert near(row["dL/dp"], -truth.t[i] / truth.held[i], scale=float(truth.t[i] / truth.held[i]))
    marks = re.findall(r"^([✓✗]) \*\*(.*?):\*\* (.*)$", text, re.MULTILINE)
    assert all(word in ("equal", "NOT equal", "the question's own node") for _, word, _ in marks)
    assert all((sign == "✓") == (word == "equal") for sign, word, _ in marks)
    equal = {said: sign == "✓" for sign, _, said in marks}
    for said, holds in equal.items():
        if said.startswith("the loss of the fused node"):
            assert holds == (truth.p[label] > FLOOR), said
        elif said.startswith("“"):
            values = truth.posted if "posted" in said else truth.diagonal
            assert holds == bool(np.isclose(values.astype(float), truth.right.astype(float), 1e-9, 1e-15).all())
        elif said.startswith(("the question's own", "the posted backward")):
            runs = batch in (1, len(z))
            assert not holds or runs  # it may happen to be right only where it runs
        else:
            assert holds, said


@settings(max_examples=80)
@example((np.array([40.236, -0.951]), 1, 1))
@example((np.array([900.0, 0.0, -3.0]), 1, 1))
@given(images())
def test_the_sentences(case):
    z, label, _ = case
    e, truth = explained(*case), Truth(z, label)
    text = lecture(e)
    winners = np.flatnonzero(z == z.max())
    assert ("the network agrees" in text or "and agrees" in text) == (winners[0] == label)
    assert (f"gives {len(winners)} classes the same largest logit" in text) == (len(winners) > 1)
    held = re.search(r"Of \d+ probabilities (\d+) would be under 1e-300", text)
    assert int(held[1] if held else 0) == (truth.p < FLOOR).sum()
    assert ("The other is capped" in text) == (truth.p[label] < FLOOR)
    loss = re.search(r"in one step \((.*?); difference", text)[1]
    assert near(loss, truth.loss, scale=float(np.abs(z).max()))
    beside = truth.jacobian[~np.eye(len(z), dtype=bool)]
    seen = re.search(
        r"Of them ([\d,]+) (?:is|are) at least 0.00005 in size here; the largest in size is (\S+)\.\n", text
    )
    sizes = np.abs(beside)
    assert (sizes >= 5.0001e-5).sum() <= value(seen[1]) <= (sizes >= 4.9999e-5).sum()
    assert near(seen[2], -sizes.max() if sizes.max() > 1e-300 else value(seen[2]))
    cosine = re.search(r"cosine of the angle to the right gradient is (.*?)\)", text)
    lengths = np.linalg.norm(truth.posted.astype(float)) * np.linalg.norm(truth.right.astype(float))
    if cosine and lengths > 1e-14:
        assert near(cosine[1], truth.posted @ truth.right / lengths)
    sums = np.abs([e.jacobian.sum(axis=0), e.jacobian.sum(axis=1)]).max()
    assert "every column sums to 0. Every row does too: the same number added" in text
    assert near(re.search(r"the largest of these sums is (\S+)\.\)", text)[1], sums)
    assert "no sign is wrong" in text
    assert (e.posted * e.p_minus_t >= 0).all()
    for name, values in (("posted", truth.posted), ("diagonal", truth.diagonal)):
        wrong = ~np.isclose(values.astype(float), truth.right.astype(float), 1e-9, 1e-15)
        complaint = re.search(rf"“{name}”: (\d+) of {len(z)} entries are wrong(.*)$", text, re.MULTILINE)
        if complaint is None:
            assert f"“{name}”: here all {len(z)} entries are right, up to rounding" in text
            assert not wrong.any()
            continue
        assert int(complaint[1]) == wrong.sum()
        pushed = values[truth.t == 0].astype(float).max() > 1e-290
        assert ("no wrong class is pushed down" in complaint[2]) == (not pushed and name == "diagonal")
        assert ("of them 0, where p rounds to 1" in complaint[2]) == (
            name == "posted" and bool(((e.posted == 0) & (e.p == 1) & wrong).any())
        )
        total, off = re.search(r"the sum is ([^\s,]+)( instead of 0)?", complaint[2]).groups()
        assert near(total, values.sum(), scale=1)
        zeros = int((wrong & (values.astype(float) == 0)).sum())
        told = re.search(r", (all|\d+) of them 0", complaint[2])
        if name == "diagonal" and told:
            assert (told[1] == "all") == (zeros == wrong.sum())
        assert bool(off) == (abs(float(values.sum())) > 1e-14) or 1e-16 < abs(float(values.sum())) < 1e-14


@pytest.mark.long
@settings(max_examples=80)
@given(images())
def test_a_calculator_gets_what_is_printed_from_what_is_printed(case):
    _, label, _ = case
    text = lecture(explained(*case))
    products = re.findall(r"≈ \((\S+)\) · \((\S+)\) ≈ ([^\s,]+)", text)
    assert len(products) == 3
    for one, other, product in products:
        assert number(value(one) * value(other)) == product
    p, reciprocal = re.search(r"−1/(\S+) ≈ (\S+) there", text).groups()
    assert number(-1 / value(p)) == reciprocal
    p, loss = re.search(r"= −log (\S+) ≈ (\S+)\n", text).groups()
    assert number(-math.log(value(p)), signed=False) == loss or value(loss) < 1e-9  # p is 1 in so many digits
    rows = re.findall(r"^\| (0\.\d+) +\| (−\S+) +\| (−\S+) +\| ([\d,.]+) +\|$", text, re.MULTILINE)
    assert len(rows) == 6
    pulled = [-value(posted) for _, _, posted, _ in rows]
    most = pulled.index(max(pulled))
    assert near(rows[most][0], 1 / int(re.search(r"From p = 1/(\d) down, the worse the mistake", text)[1]))
    assert most > 0
    assert pulled[most:] == sorted(pulled[most:], reverse=True)
    for p, right, posted, factor in rows:
        assert near(right, value(p) - 1, scale=1)
        assert near(posted, (value(p) - 1) * value(p) * (1 - value(p)), scale=1)
        assert times(value(right) / value(posted)) == factor
    head = f"| p({label})"
    assert f"{head} " in text
    assert f"| dL/dz({label}), right | dL/dz({label}), posted | too small by a factor of |" in text


@settings(max_examples=80)
@given(images())
def test_the_eleven_points(case):
    z, label, batch = case
    e, truth = explained(*case), Truth(z, label)
    points = dict(re.findall(r"^\*\*(\d+)\.\*\* [✓✗].*\\\n(.*)$", lecture(e), re.MULTILINE))
    signs = "".join(re.findall(r"^\*\*\d+\.\*\* ([✓✗])", lecture(e), re.MULTILINE))
    assert signs == "✗✓✗✗✗✓✗✓✓✗✓"
    rival = int(np.where(truth.t == 1, -1, truth.p).argmax())
    assert truth.p[e.rival] == truth.p[rival]
    one = re.search(r"≈ \((.*?)\) · \((.*?)\) ≈ (\S+), and p\((\d+)\) − 0 is (\S+)\. ", points["1"])
    assert near(one[1], -1 / truth.held[label], scale=float(1 / truth.held[label]))
    assert near(one[2], -truth.held[label] * truth.held[e.rival], scale=1e-5)
    assert near(one[3], truth.held[e.rival], scale=1)
    assert near(one[5], truth.held[e.rival], scale=1)
    assert int(one[4]) == e.rival
    assert f"{len(z)} numbers for each of {batch}" in points["2"]
    assert f"np.eye({len(z)})" in points["3"]
    batched, shape = re.search(r"axis more: J is `(.*?)`, (\(.*?\))\.$", points["3"]).groups()
    jacobians = eval(batched, {"np": np, "p": np.tile(e.p, (batch, 1))})
    assert str(jacobians.shape) == shape
    np.testing.assert_allclose(jacobians, np.tile(e.jacobian, (batch, 1, 1)), rtol=0, atol=1e-15)
    assert ("can't run" in points["3"]) == (batch not in (1, len(z)))
    wrong, right = re.search(r"would be (\S+); it is (\S+)\.", points["4"]).groups()
    posted = np.diag(z) - np.outer(z, z)
    assert ("happens to be its own softmax" in points["4"]) == bool(np.abs(posted - e.jacobian).max() < 5e-5)
    assert any(
        near(wrong, posted[i, j]) and near(right, truth.jacobian[i, j], scale=1) for i, j in np.ndindex(posted.shape)
    )
    five = re.search(r"for N = 1 it is (\S+) at \d+ and 0 at \d+, not (\S+) and (\S+)\.$", points["5"])
    assert near(five[2], truth.right[label], scale=1)
    assert near(five[3], truth.right[e.rival], scale=1)
    six = re.search(r"respect to them: (\S+) at \d+, (\S+) at", points["6"])
    assert near(six[1], -np.log(truth.held[label]), scale=float(np.ptp(z)))
    assert near(six[2], -np.log(truth.held[e.rival]), scale=float(np.ptp(z)))
    assert ("the network is sure" in points["7"]) == (abs(e.jacobian[e.rival, label]) < 5e-5)
    assert near(re.search(r"the sum at \d+ is (\S+)\. ", points["8"])[1], truth.right[label], scale=1)
    with np.errstate(all="ignore"):
        finite = np.isfinite(np.exp(z) / np.exp(z).sum()).all()
    assert ("one can do without it" in points["9"]) == finite
    assert ("is too large" in points["9"]) == (not finite and z.max() > 0)
    assert ("is too small" in points["9"]) == (not finite and z.max() < 0)
    losses = re.findall(r": (\S+), dL/dz\(\d+\) ([^\s;.]+(?:\.\d+)?)", points["10"])
    others = np.delete(z, label) - np.delete(z, label).max()
    gap = 104 + np.log(np.exp(np.maximum(others, -20)).sum() + np.exp(-104.0))
    assert near(re.search(r"L is (\S+)\. ", points["10"])[1], gap)
    assert near(losses[0][0], gap, scale=1e10)
    assert losses[1][0] == "69.078"  # −log 1e-30
    assert losses[2][0] == losses[3][0] == "inf"
    assert [gradient for _, gradient in losses] == ["−1.0000", "−1.0000", "−1.0000", "nan"]
    assert points["10"].endswith("is nan: 0 · log 0.")
    assert "at a gap of 104, that of point 10, two nodes as in a textbook have a loss of inf;" in points["11"]
    assert points["9"].startswith("Subtracting the maximum")
    sums = re.search(r"a column of J sums to 0 \(here to (?:within (\S+)|the last bit)\)", points["8"])[1]
    assert float(sums or 0) <= 1e-15
    assert shown_classes(e)[0] >= 0
