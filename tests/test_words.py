import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mnist_trainer.words import (
    at_most,
    batches_in_words,
    command,
    folder_name,
    glued_words,
    markdown_code_block,
    number_format_for,
    quoted,
    signed,
    wrapped,
)
from mnist_trainer.words import given as given_as


@pytest.mark.parametrize(
    ("value", "size", "shown"),
    [
        (0.0123, 0.049, "+0.012"),
        (-17.7, 8.8, "−17.70"),
        (-3.4e-8, 1.1e-7, "−3.4e−08"),
        (0.00001, 0.05, "0.000"),
        (-0.001, 9.0, "0.00"),
        (0.0, 0.0, "0.00"),
    ],
)
def test_a_difference_shows_its_sign_and_the_digits_that_its_spread_leaves_it(value, size, shown):
    assert signed(value, number_format_for(size, 2)) == shown


@example(3.928e-05, ".1e")
@example(0.4511, ".2f")
@example(0.1, ".1f")
@example(1.0004, ".3g")
@example(999.6, ".3g")
@given(st.floats(0, 1e300) | st.floats(1e-20, 1e5), st.sampled_from([".0e", ".1e", ".0f", ".2f", ".4f", ".3g"]))
def test_a_bound_is_rounded_up_by_less_than_a_unit_of_its_last_digit(value, form):
    text = at_most(value, form)
    assert float(text) >= value
    assert text == f"{float(text):{form}}"
    halfway = (float(text) + value) / 2
    assert f"{halfway:{form}}" == text or float(f"{halfway:{form}}") < value


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=20)


@example("lr=0.1")
@example("my runs")
@example("läufe")
@example("it's")
@example("a\\")
@example("a\\'b")
@example("null")
@example("${oc.env:HOME}")
@example("1e-3")
@example("[1,2]")
@example("~")
@given(NAMES.filter(lambda text: text == text.strip()))
def test_what_is_printed_can_be_pasted(text):
    _, m, module, option, override = shlex.split(command("mnist_trainer", "--multirun", given_as("resume", text)))
    assert (m, module, option) == ("-m", "mnist_trainer", "--multirun")
    parsed = OverridesParser.create().parse_override(override)
    assert parsed.key_or_group == "resume"
    config = OmegaConf.create({"resume": None})
    OmegaConf.update(config, "resume", parsed.value())
    assert config.resume == text


@given(NAMES)
def test_a_folder_s_name_needs_no_quotes(text):
    assert shlex.quote(folder_name(text)) == folder_name(text)
    assert quoted(f"a{folder_name(text)}") == f"a{folder_name(text)}"


def test_a_smaller_last_batch_is_told():
    assert batches_in_words(128, 256) == "batches of 128"
    assert batches_in_words(128, 300) == batches_in_words(128, 60) == "batches of up to 128"


def test_lines_are_broken_at_eighty_columns_but_not_where_they_are_glued():
    name = "mlp-separate-sgd-b128-s0: test loss 0.0723, accuracy 98.33%"
    text = wrapped(f"{glued_words(name)} (360 images of digits), {glued_words('after 0.5 s of training')}")
    assert text.splitlines() == [f"{name} (360 images of", "  digits), after 0.5 s of training"]
    path = "/a folder/" + 90 * "x"
    assert wrapped(f"data: digits from {glued_words(path)}: 1.1e-15 of 3", "- ").splitlines() == [
        "- data: digits from",
        f"  {path}:",
        "  1.1e-15 of 3",
    ]


@given(st.lists(NAMES | st.text("ab'\"", min_size=50, max_size=90)))
def test_a_command_in_a_block_is_the_same_words_on_lines_that_fit(words):
    why, empty, opened, *lines, closed = markdown_code_block("To go on", ["python", *words]).split("\n")
    assert (why, empty, opened, closed) == ("To go on:", "", "```", "```")
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == ["python", *words]
    one_a_line = all(len(shlex.split(line.removesuffix(" \\"))) <= 1 for line in lines if len(line) > 66)
    assert one_a_line  # what is longer can't be parted
