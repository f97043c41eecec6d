"""The lecture's words and signs, on a terminal, in Markdown and in HTML."""

import io
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from mnist_trainer.analysis.explanation.answers import CORRECTED
from mnist_trainer.analysis.explanation.handout import lecture_html, print_markdown
from mnist_trainer.analysis.explanation.lecture import lecture
from mnist_trainer.analysis.explanation.numbers import explain_gradient
from mnist_trainer.analysis.explanation.subject import Subject
from mnist_trainer.analysis.explanation.writing import escaped, memory_for_readers, number, shown_classes, times

LOGITS = [-0.071, -1.263, 1.057, -1.492, 2.561, -0.562, 2.376, 0.854, -1.214, -0.277]
BROAD = ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def explained(logits=LOGITS, label=6, names=None, batch=3):
    logits = np.array(logits, np.float64)
    image = np.zeros((28, 28), np.uint8)
    image[4:20, 10:14] = 200
    names = names or [str(i) for i in range(len(logits))]
    subject = Subject(logits, label, names, image, 17, "mnist", "A network.", "A reason.")
    return explain_gradient(subject, np.tile(logits, (batch, 1)), np.full(batch, label))


def printed(explanation, *, width=80, **options):
    console = Console(file=io.StringIO(), width=width, highlight=False, **options)
    print_markdown(console, lecture(explanation))
    return console.file.getvalue()


def test_all_is_said_without_colour():
    text = printed(explained())
    assert "\x1b" not in text
    for word in (
        "6 (true)",
        "4 (wins)",
        "✓ equal: the last three columns",
        "✗ NOT equal: “posted”: 10 of 10 entries are wrong",
        "✗ NOT equal: “diagonal”: 9 of 10 entries are wrong",
        "Why the result is batch × 10",
        "vector-Jacobian product",
        "harveyslash",
        "CC BY-SA",
    ):
        assert word in " ".join(text.split())
    p_minus_t = [line.split()[-1] for line in text.splitlines() if line.startswith(" 6 (true)")]
    assert "−0.6637" in p_minus_t


def test_colours_only_set_off_what_the_words_say():
    colourful = printed(explained(), force_terminal=True, color_system="truecolor", no_color=False)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colourful).split() == printed(explained()).split()


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("names", [None, BROAD, ["a b c d e f g h i j", *BROAD[1:]]])
def test_it_fits_eighty_columns(width, names):
    lines = printed(explained(names=names), width=width).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any(line.endswith(" ") for line in lines)


def test_the_eleven_points_stand_in_their_order_under_the_words_they_answer():
    text = lecture(explained())
    answers = re.findall(r"^\*\*(\d+)\.\*\* ([✓✗])[^*]*\*(.*)\*\\\n(.*)$", text, re.MULTILINE)
    assert [int(index) for index, *_ in answers] == list(range(1, 12))
    assert "".join(sign for _, sign, *_ in answers) == "✗✓✗✗✗✓✗✓✓✗✓"
    for (*_, quote, answer), about, said in zip(
        answers,
        [
            "missing the derivative",
            "same size as the input",
            "np.eye(self.data.shape[0])",
            "1 − x",
            "the derivative for the loss itself",
            "t.g",
            "1. - self.data",
            "sum all the individual gradients",
            "np.max",
            "np.log",
            "matter of choice",
        ],
        [
            "multiplied in",
            "vector-Jacobian product",
            "over the classes",
            "must be smax(x)",
            "respect to the logits",
            "1.0898 at 6",
            "diagonal of J only",
            "weight",
            "changes neither p nor the gradient",
            "dL/dz(6) nan",
            "task=compare",
        ],
        strict=True,
    ):
        assert about in quote
        assert said in answer
        assert re.search(r"\d", answer)


QUESTION = """
gradient * (softmax - inputs[1]) / inputs[0].shape[0]
Shouldn't it also take the derivative of softmax with respect to the input to softmax?
exp = np.exp(input - np.max(input, axis=1, keepdims=True))
return np.mean(-np.sum(labels * np.log(softmax), axis=1))
g = self.data * (np.eye(self.data.shape[0]) - self.data)
np.mean(-np.sum(t.data * np.log(p.data), axis=1)),
t.g += self.g * -np.log(p.data) / t.data.shape[0]
As you can see, my cross entropy loss (LCE) has the same derivative as the one in the hw, because that is the \
derivative for the loss itself, without getting into the softmax yet.
x_i(1 − x_j) if i = j else −x_i x_j
But I need a derivative that results in a tensor of the same size as the input to softmax, in this case, batch_size x \
10. So I'm not sure how the above should be applied
1. The homework implementation combines softmax with cross entropy loss as a matter of choice, while my choice of \
keeping softmax separate as an activation function is also valid.
2. The homework implementation is indeed missing the derivative of softmax for the backprop pass.
self.data * (1. - self.data)
You also have to compute smax(x_i)/x_j ,where j ≠ i and sum all the individual gradients up.
"""
"""Lines of the page, as they stand there; one formula was TeX."""


def test_what_is_quoted_stands_in_the_question_and_where_it_is_cut_is_seen():
    text = lecture(explained()).replace("\\_", "_")
    quotes = re.findall(r"“([^”]{25,})”", text.replace("“How to apply the gradient of softmax in backprop”", ""))
    points = re.findall(r"^\*\*\d+\.\*\* [✓✗][^*]*\*(.*)\*\\$", text, re.MULTILINE)
    code = [found for point in points for found in re.findall(r"`(.+?)`", point)]
    assert len(points) == 11
    assert len(quotes) == 7
    for quote in quotes + code:
        assert quote.removeprefix("… ") in QUESTION
        before = QUESTION.partition(quote.removeprefix("… "))[0]
        assert quote in code or quote.startswith("… ") != before.endswith(("\n", ". "))


def test_what_is_not_equal_is_called_so():
    e = explained()
    e.shortcut[0] += 1e-6
    assert "✗ NOT equal: with J and without (largest difference 1e-06)" in printed(e)


@pytest.mark.parametrize(("classes", "columns"), [(2, 2), (10, 10), (26, 10)])
def test_any_number_of_classes(classes, columns):
    e = explained(np.linspace(0, 2, classes), label=0)
    shown = shown_classes(e)
    assert len(shown) == columns
    assert 0 in shown  # the true class, though it is the least likely
    text = lecture(e)
    assert ("the tables show the 10" in text) == (classes > 10)
    assert text.count(f"batch × {classes}") == 1


@pytest.mark.parametrize(("names", "said"), [(BROAD, "9 ankle boot"), (["|a|", "*b*"], "|a|")])
def test_names_of_all_kinds(names, said):
    e = explained(LOGITS[: len(names)], label=1, names=names)
    assert said in " ".join(printed(e).split())
    rows = [line for line in lecture(e).splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) <= 7 for line in rows)


@pytest.mark.parametrize("case", [(LOGITS, 6), ([0.5, -1.0], 0), ([*LOGITS, *LOGITS], 3), ([0.0, 900.0, 3.25], 0)])
def test_the_program_in_the_markdown_prints_what_the_text_claims(case):
    program, claimed = re.search(
        r"```python\n(import.*?)```\n\nIt prints:\n\n```text\n(.*?)```", lecture(explained(*case)), re.DOTALL
    ).groups()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == claimed


def test_a_class_s_name_is_no_line_of_the_program():
    assert 'true class is a print("b")' in lecture(explained([0.0, 1.0], 0, ['a\nprint("b")', "c"]))


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


def test_formulas_have_their_indices_below_and_their_exponents_above():
    text = lecture_html(lecture(explained()))
    assert "p<sub>i</sub> = e<sup>z<sub>i</sub></sup> / Σ<sub>j</sub> e<sup>z<sub>j</sub></sup>" in text
    assert text.count("<h2>") == 13


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
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in lecture(explained(batch=batch)).splitlines()]
    assert ["dL/dp, taken by backward, and dL/dz, each", f"({batch}, 10)", result] in rows
    assert any(line[1:] == [f"({batch}, 10, 10)", jacobians] for line in rows)
    assert any(line[1:2] == [f"({batch}, 10, {batch}, 10)"] for line in rows)


def test_amounts_of_memory_and_factors():
    assert [memory_for_readers(size) for size in (80, 13_107_200, 80 * 10**9)] == ["80 bytes", "13.1 MB", "80.0 GB"]
    assert [times(factor) for factor in (4.08, 5571.6, 1e142)] == ["4.1", "5,572", "over a million"]


def test_signs_of_markdown_in_a_name_stay_signs():
    assert escaped("a*b_c<d`") == "a\\*b\\_c\\<d\\`"
