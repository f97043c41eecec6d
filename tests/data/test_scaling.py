import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mnist_trainer.data import scaling
from mnist_trainer.data.scaling import Scaling, pixel_statistics


@given(
    npst.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 30), st.integers(1, 30), st.just(1))),
    st.data(),
)
def test_mean_and_deviation_are_those_of_the_chosen_images_alone(images, data):
    indices = np.array(data.draw(st.lists(st.integers(0, len(images) - 1), min_size=1, max_size=60)))
    mean, std = pixel_statistics(images, indices)
    chosen = images[indices].astype(np.float64)
    assert mean == pytest.approx(chosen.mean(), rel=1e-12)
    assert std == pytest.approx(chosen.std(), rel=1e-9, abs=1e-9)


def test_many_blocks_sum_to_the_same_as_one():
    images = np.random.default_rng(0).integers(0, 256, (1500, 28, 28, 1), np.uint8)
    indices = np.random.default_rng(1).permutation(1500)[:1300]
    chosen = images[indices].astype(np.float64)
    assert pixel_statistics(images, indices) == pytest.approx((chosen.mean(), chosen.std()), rel=1e-12)


def test_the_brightest_images_are_summed_exactly():
    assert pixel_statistics(np.full((3, 28, 28, 1), 255, np.uint8), np.arange(3)) == (255.0, 0.0)


def test_standardised_pixels_have_mean_0_and_deviation_1():
    images = np.random.default_rng(0).integers(0, 200, (50, 8, 8, 1), np.uint8)
    made = Scaling.standardised(images, np.arange(50))
    inputs = images * made.scale + made.shift
    assert (inputs.mean(), inputs.std()) == pytest.approx((0, 1), abs=1e-12)


def test_unit_scaling_spans_0_to_1():
    made = Scaling.unit()
    assert (0 * made.scale + made.shift, 255 * made.scale + made.shift) == (0, 1)


def test_images_of_one_shade_are_centred_not_divided_by_zero():
    made = Scaling.standardised(np.full((5, 4, 4, 1), 100, np.uint8), np.arange(5))
    assert 100 * made.scale + made.shift == pytest.approx(0)


def test_mnists_published_mean_and_deviation(real_mnist):
    images = scaling.np.frombuffer(_inflate(real_mnist / "train-images-idx3-ubyte.gz")[16:], np.uint8)
    mean, std = pixel_statistics(images.reshape(60_000, 28, 28, 1), np.arange(60_000))
    assert (mean / 255, std / 255) == pytest.approx((0.1307, 0.3081), abs=5e-5)


def _inflate(path):
    import gzip

    return gzip.decompress(path.read_bytes())
