"""Parts cover the whole; a section's optimizer has the whole one's state there, and gives it back."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.optimizers.adam import Adam
from mnist_trainer.training.sections import even_slices, give_section_back, section_optimizer


@given(count=st.integers(0, 10_000), of=st.integers(1, 8), grain=st.sampled_from([1, 16]))
def test_parts_cover_all_in_order_and_evenly(count, of, grain):
    found = even_slices(count, of, grain)
    assert [index for part in found for index in range(part.start, part.stop)] == list(range(count))
    assert len(found) == of
    lengths = [part.stop - part.start for part in found]
    assert max(lengths) - min(lengths) <= 2 * grain


def test_a_section_s_optimizer_takes_the_state_over_and_gives_it_back(tiny):
    trainer = tiny.trainer(optimizer=Adam())
    trainer.fit()
    model, whole = trainer.model, trainer.optimizer
    before = {name: array.copy() for name, array in whole.state().items()}
    own = section_optimizer(whole, model, slice(5, 30))
    np.testing.assert_array_equal(own.state()["first"], before["first"][5:30])
    assert own.state()["steps"] == before["steps"]
    own.step(model.parameters.values[5:30].copy(), np.ones(25, np.float32), 0.1)
    np.testing.assert_array_equal(whole.state()["first"], before["first"])  # a copy until it is given back
    give_section_back(own, whole, model, slice(5, 30))
    changed = whole.state()["first"] != before["first"]
    assert changed[5:30].all()
    assert not changed[:5].any()
    assert not changed[30:].any()
    assert whole.state()["steps"] == before["steps"] + 1
