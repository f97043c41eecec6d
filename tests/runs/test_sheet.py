"""The sheet of augmented images: a PNG of what is trained on, beside what the data have."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.config import AugmentConfig
from mnist_trainer.runs.sheet import COLUMNS, GAP, LARGE, SEPARATOR, augmented_sheet, sheet_as_png


@pytest.mark.parametrize("shape", [(3, 5, 1), (4, 2, 3), (1, 1, 1), (2, 3, 4)])
def test_any_picture_program_reads_the_pixels_back(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with Image.open(io.BytesIO(sheet_as_png(image))) as read:
        pixels = np.asarray(read)
    np.testing.assert_array_equal(pixels, image if shape[2] == 3 else image[..., 0])


@pytest.mark.parametrize(("n", "shown"), [(1, 1), (5, 5), (16, 16), (20, 20), (300, 128)])
def test_each_augmented_image_lies_under_what_it_was(n, shown):
    images, augmented = np.random.default_rng(1).integers(0, 256, (2, n, 6, 4, 1), np.uint8)
    sheet = augmented_sheet(images, augmented)[::LARGE, ::LARGE]
    rows, columns = -(-shown // COLUMNS), min(shown, COLUMNS)
    assert sheet.shape == (rows * (12 + GAP) - GAP, columns * (4 + GAP) - GAP, 1)
    for index, (row, column) in enumerate(itertools.product(range(rows), range(columns))):
        place = sheet[row * (12 + GAP) :, column * (4 + GAP) :][:12, :4]
        if index < shown:
            np.testing.assert_array_equal(place, np.concatenate([images[index], augmented[index]]))
        else:
            assert (place == SEPARATOR).all()


@pytest.mark.parametrize("choice", ["elastic", "none"])
def test_a_run_that_augments_leaves_a_sheet_of_its_first_batch_and_journals_it(run, configured, events_of, choice):
    config = configured(f"augment={choice}", epochs=1)
    _, folder = run(config)
    artifacts = [event["name"] for event in events_of(folder, "artifact")]
    if choice == "none":
        assert "augmented.png" not in artifacts
        assert not (folder / "augmented.png").exists()
        return
    assert artifacts.count("augmented.png") == 1
    trainer, _ = build_trainer(config, build_data(config.data))
    x, _ = next(iter(trainer.train))
    scaling = trainer.train.scaling
    first = np.rint((x[0, ..., 0] - scaling.shift) / scaling.scale)
    with Image.open(folder / "augmented.png") as read:
        sheet = np.asarray(read)[::LARGE, ::LARGE]
    np.testing.assert_array_equal(sheet[28:56, :28], first)
    plain, _ = build_trainer(configured(augment=AugmentConfig("none")), build_data(config.data))
    x, _ = next(iter(plain.train))
    np.testing.assert_array_equal(sheet[:28, :28], np.rint((x[0, ..., 0] - scaling.shift) / scaling.scale))
