"""Every sentence of the page, and every way's numbers, in many a state: where p underflows, or e^z overflows."""

import contextlib
import io
import itertools
import json

import numpy as np
import pytest

from tests.analysis.explanation.held import check_words
from tests.analysis.explanation.sentences import check_points, check_way

pytestmark = pytest.mark.long

WAYS = (
    *("separate", "fused", "homework", "textbook", "clipped"),
    *("posted_question", "posted_answer", "diagonal", "double_jacobian", "logits_for_p"),
)
GO = """(({gap, shift, ...patch}) => {
  change({...initialState(page.first), ...patch, row: patch.batch > 1 ? 3 : 0});
  const z = situation.z, most = Math.max(...z.filter((_, i) => i !== situation.label));
  change({ z: z.map((x, i) => shift + (i === situation.label && gap !== null ? most - gap : x)) });
})"""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bits", [32, 64])
def test_each_sentence_has_numpy_s_numbers_in_each_state(visit, way, bits):
    usual = itertools.product((1, 10, 128), (None, -25, 0, 20, 88, 91, 104, 800), (0,), (False,))
    shifted = itertools.product((1, 10), (None, 91), (150, -150, -95, 87.5), (False, True))
    for batch, gap, shift, unshifted in (*usual, *shifted):
        patch = {"way": way, "bits": bits, "batch": batch, "gap": gap, "shift": shift, "unshifted": unshifted}
        visit.browser.value(f"{GO}({json.dumps(patch)})")
        check_way(visit)
        check_words(visit)
        check_points(visit)
        assert visit.height() <= 720, patch


def test_the_derivative_by_the_targets_is_what_the_chosen_way_makes_of_it(visit):
    visit.browser.value("change({way: 'textbook', bits: 32, targets: true}); setGap(104)")
    label = visit.read("situation.label")
    row = f"#block-dp [data-class='{label}']"
    assert visit.said(f"{row} .value") == "inf"
    assert "∂L/∂t" in visit.said("#block-dp h2")
    assert visit.said("#block-dp .mark") == "✗"
    visit.choose("fused")
    assert visit.said(f"{row} .value") == visit.read("number(situation.truth.loss)")
    assert visit.said("#block-dp .mark") == "✓"


def test_where_the_sum_of_exponentials_is_out_of_range_it_is_said_of_the_loss_that_takes_no_log_of_p(visit):
    for shift, sum_of_them in ((150, "inf"), (-150, "−inf")):
        patch = {"way": "fused", "bits": 32, "batch": 1, "gap": None, "shift": shift, "unshifted": True}
        visit.browser.value(f"{GO}({json.dumps(patch)})")
        assert f"log Σ ez is {sum_of_them}" in visit.said("#loss")


def test_the_sum_alone_may_overflow(visit):
    """e^88.6 is a float32, ten of them are not: no p is nan, all are 0."""
    visit.browser.value("change({z: Array(10).fill(88.6), bits: 32, unshifted: true})")
    assert visit.array("situation.found.p").max() <= 1e-30
    said = visit.said("#point-list li:nth-child(9) .answer")
    assert "without it, Σ ez is inf in float32 here, and every p is 0" in said
    visit.browser.value("change({z: Array(10).fill(-100).map((x, k) => x - k / 3), bits: 32, unshifted: true})")
    assert "one can do without it" not in visit.said("#point-list li:nth-child(9) .answer")  # few digits are left


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bits", [32, 64])
def test_the_situation_as_a_program_gives_the_table_s_numbers(visit, way, bits):
    situations = itertools.product(((None, 0, False), (91, 0, False), (104, 0, False), (None, 150, True)), (1, 3, 10))
    for (gap, shift, unshifted), batch in situations:
        patch = {"way": way, "bits": bits, "batch": batch, "gap": gap, "shift": shift, "unshifted": unshifted}
        visit.browser.value(f"{GO}({json.dumps(patch)})")
        names = {}
        with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()), np.printoptions():
            exec(visit.read("programOf(situation)"), names)
        assert names["p"].dtype == f"float{bits}"
        bound = {"rtol": 3e-5, "atol": 1e-6} if bits == 32 else {"rtol": 1e-9, "atol": 1e-12}
        found = visit.read("situation.found")
        for name, key in (("L", "loss"), ("p", "p"), ("g", "dp"), ("dz", "dz")):
            assert (names[name] is None) == (found[key] is None), (name, patch)
            if found[key] is not None:
                value = np.array(found[key], float)
                np.testing.assert_allclose(names[name], value, **bound, err_msg=f"{name}, {patch}")
