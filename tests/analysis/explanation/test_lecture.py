"""The lecture's words and signs, on a terminal and in Markdown."""

import io
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from mnist_trainer.analysis.explanation.answers import CORRECTED
from mnist_trainer.analysis.explanation.blocks import Equality, amount, number, shown_classes
from mnist_trainer.analysis.explanation.handout import as_markdown, escaped
from mnist_trainer.analysis.explanation.lecture import INTRODUCTION, lecture
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import Subject
from mnist_trainer.analysis.explanation.terminal import print_lecture

LOGITS = [-0.071, -1.263, 1.057, -1.492, 2.561, -0.562, 2.376, 0.854, -1.214, -0.277]
SIZES = [(3, "240 bytes", "2,400 bytes"), (1, "80 bytes", "800 bytes")]
BROAD = ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def explained(logits=LOGITS, label=6, names=None, batch=3):
    logits = np.array(logits, np.float64)
    image = np.zeros((28, 28), np.uint8)
    image[4:20, 10:14] = 200
    names = names or [str(i) for i in range(len(logits))]
    subject = Subject(logits, label, names, image, 17, "mnist", "A network.", "A reason.")
    return explain_gradient(subject, np.tile(logits, (batch, 1)), np.full(batch, label))


def printed(explanation, *, width=120, **options):
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    print_lecture(console, "The title", INTRODUCTION, lecture(explanation))
    return console.file.getvalue()


def markdown(explanation):
    return as_markdown(explanation, "The title", INTRODUCTION, lecture(explanation), "explanation.png")


def test_all_is_said_without_colour():
    text = printed(explained())
    assert "\x1b" not in text
    for word in (
        "true",
        "wins",
        "✓ equal: the last three rows, to the last bits",
        "✗ NOT equal: `posted`: 10 of 10 entries are wrong",
        "✗ NOT equal: `diagonal`: 9 of 10 entries are wrong",
        "Shouldn't it also take the derivative of softmax",
        "Why the result is batch × 10",
        "vector-Jacobian product",
        "harveyslash",
        "CC BY-SA",
    ):
        assert word in text
    p_minus_t = [line for line in text.splitlines() if line.split()[:3] == ["p", "−", "t"]]
    assert all("−0.6637" in line and "+0.4046" in line for line in p_minus_t)
    assert len(p_minus_t) == 3


def test_colours_only_set_off_what_the_words_say():
    colourful = printed(explained(), force_terminal=True, color_system="truecolor", no_color=False)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colourful)
    plain = printed(explained()).replace("`", "")
    after = bare.index("── 2")
    assert bare[after:].split() == plain[plain.index("── 2") :].split()
    assert "\x1b[1;31m" in colourful  # what is wrong, in red
    assert "\x1b[1;32m" in colourful  # what is equal, in green


@pytest.mark.parametrize("width", [76, 80, 100, 120, 200])
def test_it_fits_the_terminal(width):
    lines = [line for line in printed(explained(names=BROAD), width=width).splitlines() if "self." not in line]
    formulas = [line for line in lines if line.startswith("      ")]  # a formula is not broken
    assert max(len(line) for line in lines if line not in formulas) <= min(width, 116)
    assert not any(line.endswith(" ") for line in lines)


def test_a_narrow_terminal_loses_no_number():
    numbers = re.compile(r"[−+]\d\.\d{4}")
    assert sorted(numbers.findall(printed(explained(), width=60))) == sorted(numbers.findall(printed(explained())))


def test_what_is_not_equal_is_called_so():
    e = explained()
    e.shortcut[0] += 1e-6
    wrong = [block for step in lecture(e) for block in step.blocks if isinstance(block, Equality) and not block.holds]
    assert [block.says for block in wrong if "with J and without" in block.text] == ["NOT equal"]
    assert "✗ NOT equal: with J and without (largest difference 1e-06)" in printed(e)


@pytest.mark.parametrize(("classes", "columns"), [(2, 2), (10, 10), (26, 10)])
def test_any_number_of_classes(classes, columns):
    e = explained(np.linspace(0, 2, classes), label=0)
    shown = shown_classes(e)
    assert len(shown) == columns
    assert 0 in shown  # the true class, though it is the least likely
    text = printed(e)
    assert ("the tables show the 10" in text) == (classes > 10)
    assert "the row sums to" in text
    assert markdown(e).count(f"batch × {classes}") == 1


@pytest.mark.parametrize(("names", "said"), [(BROAD, "9 ankle boot"), (["|a|", "*b*"], "|a|")])
def test_names_of_all_kinds(names, said):
    e = explained(LOGITS[: len(names)], label=1, names=names)
    assert said in printed(e)
    rows = [line for line in markdown(e).splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) in {4, 5, len(names) + 2, len(names) + 3} for line in rows)


def test_a_network_that_is_sure_and_right():
    text = printed(explained([0, 0, 40.0], label=2))
    assert "the network agrees" in text
    assert "both" in text
    assert "nan" not in text


def test_the_markdown_has_the_picture_the_signs_and_the_steps():
    text = markdown(explained())
    assert "](explanation.png)" in text
    assert "❌" in text
    assert "✅ **equal:**" in text
    assert [int(i) for i in re.findall(r"^## (\d+)\.", text, re.MULTILINE)] == list(range(1, 14))
    assert text.count("```") % 2 == 0


@pytest.mark.parametrize("case", [(LOGITS, 6), ([0.5, -1.0], 0), ([*LOGITS, *LOGITS], 3), ([0.0, 25.0, 3.25], 0)])
def test_the_program_in_the_markdown_prints_what_the_text_claims(case):
    text = markdown(explained(*case))
    program, claimed = re.search(
        r"```python\n(import.*?)```\n\nIt prints:\n\n```text\n(.*?)```", text, re.DOTALL
    ).groups()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == claimed


def test_the_question_s_nodes_put_right_give_p_minus_t():
    """The two corrected lines, run as they stand in the text on nodes like the question's."""
    rng = np.random.default_rng(0)
    z, targets = rng.standard_normal((7, 10)), np.eye(10)[rng.integers(10, size=7)]
    probabilities = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    softmax_line, loss_line = (line.strip() for line in CORRECTED.splitlines() if line.startswith("    "))
    p, t = SimpleNamespace(data=probabilities, g=0), SimpleNamespace(data=targets, g=0)
    exec(loss_line, {"self": SimpleNamespace(g=1), "p": p, "t": t})
    x = SimpleNamespace(g=0)
    exec(softmax_line, {"np": np, "self": SimpleNamespace(data=probabilities, g=p.g), "x": x})
    np.testing.assert_allclose(x.g, (probabilities - targets) / 7, atol=1e-15)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.35, "+0.3500"), (-2.8686, "−2.8686"), (-1234.5, "−1234.5"), (4e-6, "+4e-06"), (-1e5, "−1e+05")],
)
def test_numbers_fit_their_columns_and_none_is_rounded_to_nothing(value, text):
    assert number(value) == text
    assert len(text) <= 7


@pytest.mark.parametrize(
    ("batch", "result", "jacobians"), [(3, "240 bytes", "2,400 bytes"), (1, "80 bytes", "800 bytes")]
)
def test_the_batch_s_arrays_have_their_shapes_and_sizes(batch, result, jacobians):
    cells = [line.split("  ") for line in printed(explained(batch=batch)).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in cells]
    assert ["what backward takes, dL/dp, and returns, dL/dz", f"({batch}, 10)", result] in cells
    assert any(line[-2:] == [f"({batch}, 10, 10)", jacobians] for line in cells)
    assert any(line[-2:-1] == [f"({batch}, 10, {batch}, 10)"] for line in cells)


def test_amounts_of_memory():
    assert [amount(size) for size in (80, 13_107_200, 80 * 10**9)] == ["80 bytes", "13.1 MB", "80.0 GB"]


def test_signs_of_markdown_in_a_text_stay_signs():
    assert escaped("a * b < c `d * e`") == "a \\* b \\< c `d * e`"
