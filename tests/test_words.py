import pytest

from mnist_trainer.words import form_for, signed


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
    assert signed(value, form_for(size, 2)) == shown
