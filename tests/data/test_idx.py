import gzip
import hashlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mnist_trainer.data import idx
from mnist_trainer.errors import DataError

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([2, 0, 1], np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "some-file"


def message(path, read=idx.read_images) -> str:
    with pytest.raises(DataError) as info:
        read(path)
    assert str(info.value).startswith(str(path))
    return str(info.value)


def refused_by_name(path, read) -> bool | None:
    """None if the file is read."""
    try:
        read(path)
    except DataError as error:
        return str(error).startswith(str(path))


sides = st.integers(1, 6)
image_arrays = st.one_of(st.tuples(sides, sides, sides), st.tuples(sides, sides, sides, st.integers(1, 4)))


@given(npst.arrays(np.uint8, image_arrays), st.booleans())
def test_images_come_back_with_a_channel_axis_gzipped_or_not(path, idx_bytes, array, packed):
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if packed else content)
    images = idx.read_images(path)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, array if array.ndim == 4 else array[..., None])


@given(npst.arrays(np.uint8, st.integers(1, 50)), st.booleans())
def test_labels_come_back(path, idx_bytes, array, packed):
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if packed else content)
    np.testing.assert_array_equal(idx.read_labels(path), array)


@given(st.data(), st.booleans())
def test_a_mutated_file_is_read_or_refused_but_never_crashes(path, idx_bytes, data, packed):
    content = bytearray(gzip.compress(idx_bytes(IMAGES), mtime=0) if packed else idx_bytes(IMAGES))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=3)))
    for read in (idx.read_images, idx.read_labels):
        assert refused_by_name(path, read) in (None, True)


@given(st.binary(max_size=40))
def test_arbitrary_bytes_are_never_anything_but_a_data_error(path, content):
    path.write_bytes(content)
    assert refused_by_name(path, idx.read_images) in (None, True)


@pytest.mark.parametrize("packed", [False, True])
def test_a_truncated_file_says_how_much_is_there(path, idx_bytes, packed):
    content = idx_bytes(IMAGES)[:-10]
    path.write_bytes(gzip.compress(content) if packed else content)
    assert "truncated: the header promises 60 bytes of pixels, the file holds 50" in message(path)


def test_a_gzip_stream_cut_anywhere_is_truncated(path, idx_bytes):
    content = gzip.compress(idx_bytes(np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)))
    path.write_bytes(content[: len(content) // 2])
    assert "truncated: the header promises 156,800 bytes of pixels" in message(path)
    path.write_bytes(content[:-4])
    assert "damaged gzip data" in message(path)


def test_a_flipped_bit_in_gzip_data_is_found_by_its_crc(path, idx_bytes):
    content = bytearray(gzip.compress(idx_bytes(IMAGES), compresslevel=0))
    content[-20] ^= 1
    path.write_bytes(content)
    assert "damaged gzip data (CRC" in message(path)


@pytest.mark.parametrize("packed", [False, True])
def test_trailing_bytes_are_refused(path, idx_bytes, packed):
    content = idx_bytes(IMAGES) + b"\0"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert "too long: more follows the 60 bytes of pixels" in message(path)


def test_a_gzip_bomb_is_refused_without_inflating_it(path, idx_bytes):
    path.write_bytes(gzip.compress(idx_bytes(IMAGES) + bytes(100 << 20)))
    tracemalloc.start()
    try:
        assert "too long" in message(path)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_swapped_files_are_told_so(path, idx_bytes):
    path.write_bytes(idx_bytes(LABELS))
    assert "holds labels, not images: are the images' and the labels' files swapped?" in message(path)
    path.write_bytes(idx_bytes(IMAGES))
    assert "holds images, not labels" in message(path, idx.read_labels)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\0\0\x08", "not an IDX file"),
        (b"<!DOCTYPE html>", "not an IDX file: it begins with b'<!DO'"),
        (b"PK\x03\x04 and so on", "not an IDX file"),
        (b"\0\0\x0a\x03" + bytes(12), "not an IDX file"),
        (b"\0\0\x08\x02" + bytes(8), "has 2 dimensions; images have 3"),
        (b"\0\0\x08\x03" + bytes(5), "truncated: its header takes 16 bytes, the file holds 9"),
        (b"\0\0\x08\x03" + bytes(12), "holds nothing: its header says 0 x 0 x 0"),
        (b"\0\0\x08\x03\0\x80\0\0" + b"\0\0\0\1" * 2, "8,388,608 images (8,388,608 x 1 x 1); at most 4,194,304 fit"),
        (b"\0\0\x08\x03\0\0\0\1" + b"\0\0\x08\0" * 2, "4,194,304 pixels an image"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "at most 805,306,368 fit"),
    ],
)
def test_what_is_no_images_file_is_named(path, content, problem):
    path.write_bytes(content)
    assert problem in message(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert "no such file" in message(tmp_path / "absent")
    assert "not a file" in message(tmp_path)


@pytest.mark.parametrize("array", [IMAGES, LABELS, np.stack([IMAGES] * 3, axis=-1)])
def test_content_sha256_is_that_of_the_bare_file(path, idx_bytes, array):
    path.write_bytes(gzip.compress(idx_bytes(array)))
    read = idx.read_labels if array.ndim == 1 else idx.read_images
    assert idx.content_sha256(read(path)) == hashlib.sha256(idx_bytes(array)).hexdigest()
