import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.data.augmentation import (
    EXPLAINED,
    Augmentation,
    Augmenter,
    affine_coefficients,
    affine_fields,
    elastic_modes,
)
from mnist_trainer.data.batches import Batches
from mnist_trainer.data.scaling import Scaling
from mnist_trainer.errors import ConfigError
from mnist_trainer.kernels.resampling import ResamplingRoom, resample

ALL = Augmentation(
    shift=0.1, rotation=15.0, scale=0.2, shear=0.2, elastic=0.05, smoothness=0.2, erasing=0.5, erased=0.5
)
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 9, 7, 1), np.uint8)


def changed(images, seed=0, **how):
    pixels = images.copy()
    Augmenter(Augmentation(**how), images.shape[1:], len(images), np.random.default_rng(seed)).apply(pixels)
    return pixels


def seen(image, **affine):
    """One image under one affine map."""
    height, width = image.shape
    coefficients = affine_coefficients((height, width, 1), **affine).reshape(2, 1, 3)
    pixels = image[np.newaxis, ..., np.newaxis].copy()
    resample(pixels, coefficients, affine_fields(height, width), ResamplingRoom.make((height, width, 1), 1), out=pixels)
    return pixels[0, ..., 0]


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        ({"shift": (2, 0)}, lambda image: np.concatenate([image[:1], image[:1], image[:-2]])),
        ({"shift": (0, -1)}, lambda image: np.concatenate([image[:, 1:], image[:, -1:]], axis=1)),
        ({"shift": (0, 0), "rotation": np.pi / 2}, np.rot90),
        ({"shift": (0, 0), "scale": (3.0, 3.0)}, lambda image: None),
    ],
)
def test_images_move_as_it_is_said(affine, expected):
    image = np.zeros((7, 7), np.uint8)
    image[2:5, 2:5] = np.random.default_rng(1).integers(1, 256, (3, 3))
    found = seen(image, **affine)
    if (wanted := expected(image)) is not None:
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_array_equal(found[::3, ::3], image[2:5, 2:5])  # three times as large, about the middle


@given(
    numbers=st.tuples(*[st.floats(-1, 1)] * 6),
    place=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_the_map_undoes_scaling_shearing_turning_and_shifting(numbers, place, shape):
    down, right, angle, tall, wide, shear = numbers
    tall, wide = 1.5**tall, 1.5**wide
    row, column = place[0] * tall, place[1] * wide
    column += shear * row
    row, column = np.cos(angle) * row - np.sin(angle) * column, np.sin(angle) * row + np.cos(angle) * column
    coefficients = affine_coefficients(
        (*shape, 1), shift=(down, right), rotation=angle, scale=(tall, wide), shear=shear
    )
    found = coefficients.reshape(2, 3) @ [1, row + down, column + right]
    middles = (np.array(shape) - 1) / 2
    np.testing.assert_allclose(found - middles, place, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("key", "most"), [("shift", 1.0), ("rotation", 90.0), ("scale", 0.5), ("shear", 0.7)])
def test_maps_are_drawn_in_their_range_to_both_sides_an_image_each(key, most):
    augmenter = Augmenter(Augmentation(**{key: most}), (11, 11, 1), 400, np.random.default_rng(0))
    maps = augmenter._draw_map(400).astype(float)
    linear = maps[:, :, 1:].transpose(1, 0, 2)
    value = {
        "shift": lambda: (5 - maps[:, :, 0]) / 11,
        "rotation": lambda: np.rad2deg(np.arctan2(linear[:, 0, 1], linear[:, 0, 0])),
        "scale": lambda: np.log(linear[:, [0, 1], [0, 1]]) / np.log(1.5) * 0.5,
        "shear": lambda: -linear[:, 1, 0],
    }[key]()
    assert np.abs(value).max() <= most * (1 + 1e-6)
    assert -value.min() > 0.95 * most < value.max() / 0.99
    assert len(np.unique(value)) > 390
    if key != "shift":
        np.testing.assert_array_equal(maps[:, :, 0], 5)
    if key == "shift":
        np.testing.assert_array_equal(linear, np.broadcast_to(np.eye(2), linear.shape))


@pytest.mark.parametrize(("height", "width", "smoothness"), [(28, 28, 0.15), (20, 31, 0.1), (1, 12, 0.3), (9, 9, 1.0)])
def test_elastic_fields_have_the_variance_and_the_reach_that_are_said(height, width, smoothness):
    modes = elastic_modes(height, width, smoothness)
    place = np.mgrid[:height, :width].reshape(2, -1).T / [height, width]
    distance = ((place[:, np.newaxis] - place) ** 2).sum(axis=-1)
    expected = np.exp(-distance / (4 * smoothness**2))
    found = modes.T @ modes
    assert np.diag(found).mean() >= EXPLAINED
    lost = (1 - EXPLAINED) * height * width  # of the eigenvalues, at most; each entry of what is left out is at most so
    assert np.abs(found - expected).max() <= min(lost, 0.05)
    assert len(modes) < height * width or height * width < 50


def test_erasing_makes_a_rectangle_black_in_the_share_of_images_that_is_said():
    white = np.full((1000, 12, 10, 3), 255, np.uint8)
    found = changed(white, erasing=0.3, erased=0.5)
    assert set(np.unique(found)) == {0, 255}
    black = found == 0
    np.testing.assert_array_equal(black, black[..., :1].repeat(3, axis=-1))
    touched = black.any(axis=(1, 2, 3))
    assert 0.25 < touched.mean() < 0.35
    for image in black[touched, ..., 0]:
        rows, columns = image.any(axis=1), image.any(axis=0)
        np.testing.assert_array_equal(image, np.outer(rows, columns))
        for side, most in ((rows, 6), (columns, 5)):
            assert side.sum() <= most
            assert np.diff(np.flatnonzero(side)).max(initial=1) == 1
    assert changed(white, erasing=1.0, erased=1.0).min(axis=(1, 2, 3)).max() == 0


def test_what_is_drawn_depends_on_the_generator_and_the_number_of_images_alone():
    first = changed(IMAGES, seed=3, **vars(ALL))
    np.testing.assert_array_equal(changed(IMAGES, seed=3, **vars(ALL)), first)
    assert (changed(IMAGES, seed=4, **vars(ALL)) != first).any(axis=(1, 2, 3)).all()
    states = []
    for images in (IMAGES[:20], np.zeros_like(IMAGES[:20])):
        rng = np.random.default_rng(5)
        Augmenter(ALL, images.shape[1:], 60, rng).apply(images.copy())
        states.append(rng.bit_generator.state)
    assert states[0] == states[1]


def test_images_are_only_moved_a_little_by_a_little():
    row, column = np.mgrid[:28, :28]
    image = np.rint(127 + 100 * np.sin(row / 5) * np.cos(column / 4)).astype(np.uint8)
    images = np.broadcast_to(image[np.newaxis, ..., np.newaxis], (50, 28, 28, 1))
    found = changed(images, shift=0.01, rotation=0.5, scale=0.01, shear=0.01, elastic=0.003)
    assert 0 < np.abs(found.astype(int) - images).max() < 60
    assert np.abs(found.astype(int) - images).mean() < 12


@pytest.mark.parametrize(
    "wrong",
    [{"shift": -0.1}, {"rotation": 181.0}, {"scale": 1.0}, {"elastic": 2.0}, {"smoothness": 0.01}, {"erasing": 1.1}],
)
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Augmentation(**wrong)


def batches(augmentation, batch_size=16, seed=0):
    rng = np.random.default_rng(9)
    augmenter = augmentation and Augmenter(augmentation, IMAGES.shape[1:], batch_size, np.random.default_rng(seed))
    labels, indices = np.arange(60, dtype=np.uint8), np.arange(5, 55)
    scaling = Scaling(1.0, 0.0)
    return Batches(IMAGES, labels, indices, batch_size, np.float32, scaling=scaling, rng=rng, augmenter=augmenter)


def test_batches_are_augmented_anew_each_time_and_their_order_and_the_images_stay():
    plain, augmented = batches(None), batches(ALL)
    before = IMAGES.copy()
    epochs = []
    for _ in range(2):
        seen = []
        for (x, labels), (y, same) in zip(plain, augmented, strict=True):
            np.testing.assert_array_equal(labels, same)
            np.testing.assert_array_equal(x, IMAGES[labels])
            assert (x != y).any(axis=(1, 2, 3)).all()
            seen += zip(labels.tolist(), y.copy(), strict=True)
        epochs.append(dict(seen))
    assert all((epochs[0][label] != epochs[1][label]).any() for label in epochs[0])
    np.testing.assert_array_equal(IMAGES, before)


def test_a_preview_shows_the_first_batch_and_draws_nothing():
    made = batches(ALL)
    images, augmented = made.preview()
    x, labels = next(iter(made))
    np.testing.assert_array_equal(images, IMAGES[labels])
    np.testing.assert_array_equal(augmented, x)
    np.testing.assert_array_equal(batches(None).preview()[1], batches(None).preview()[0])


def test_a_batch_allocates_nothing_of_its_size():
    images = np.zeros((128, 28, 28, 1), np.uint8)
    augmenter = Augmenter(ALL, (28, 28, 1), 128, np.random.default_rng(0))
    augmenter.apply(images)
    tracemalloc.start()
    try:
        augmenter.apply(images)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * images.size  # a batch of float32
