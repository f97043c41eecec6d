"""Data files that lie: read, or refused by name; see conftest.py for the long run."""

import gzip
import os
import shutil
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mnist_trainer.build import build_trainer
from mnist_trainer.composition import compose
from mnist_trainer.data.loading import load, load_files
from tests.fuzz.nonsense import cases

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SIZES = (0, 1, 2, 3, 28, 255, 65536, 1 << 20, 1 << 24, 1 << 29, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
COUNTS = (24, 24, 12, 12)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def sound():
    """Four files that fit each other, of 3 classes."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (count, 4, 4), np.uint8) for count in COUNTS[::2]]
    labels = [np.arange(count, dtype=np.uint8) % 3 for count in COUNTS[::2]]
    return [idx(images[0]), idx(labels[0]), idx(images[1]), idx(labels[1])]


def bomb(megabytes):
    """Return raw deflate data that inflate to so many MB of zeros, a thousandth of that size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * megabytes


BOMB = bomb(4096)


def with_bomb(content):
    """Gzip the content, with 4 GB of zeros behind it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + head + BOMB + b"\x03\0" + bytes(8)


@st.composite
def header(draw):
    kind = draw(st.sampled_from([0x08, 0x08, 0x08, 0x09, 0x0B, 0x0D, 0x0E, 0x00, 0xFF]))
    sizes = draw(st.lists(st.sampled_from(SIZES), max_size=6))
    count = draw(st.sampled_from([len(sizes), len(sizes), 0, 1, 3, 4, 255]))
    return bytes([0, 0, kind, count]) + b"".join(size.to_bytes(4, "big") for size in sizes)


@st.composite
def damaged(draw, content):
    """Return a file's content with something wrong, or not."""
    other = draw(st.sampled_from(sound()))
    match draw(st.integers(0, 9)):
        case 0:
            content = other
        case 1:
            content = content[: draw(st.integers(0, len(content)))]
        case 2:
            content += draw(st.binary(max_size=20))
        case 3:
            content = draw(header()) + content[draw(st.sampled_from([8, 16])) :]
        case 4:
            content = draw(st.binary(max_size=60))
        case 5:
            mutated = bytearray(content)
            for _ in range(draw(st.integers(1, 4))):
                mutated[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
            content = bytes(mutated)
        case 6:
            content = content[:4] + draw(st.integers(0, 40)).to_bytes(4, "big") + content[8:]
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2:
            content = gzip.compress(content, mtime=0)
        case 3:
            packed = bytearray(gzip.compress(content, draw(st.integers(0, 9)), mtime=0))
            packed[draw(st.integers(0, len(packed) - 1))] = draw(st.integers(0, 255))
            content = bytes(packed[: draw(st.integers(0, len(packed)))])
        case 4:
            content = gzip.compress(gzip.compress(content), mtime=0) + draw(st.binary(max_size=9))
        case 5 if draw(st.integers(0, 4)) == 0:
            content = with_bomb(draw(st.sampled_from([content, draw(header())])))
    return content


def put(path, place, content):
    """Put something into a file's place."""
    match place:
        case "nothing":
            pass
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to(content)
        case "loop":
            path.symlink_to(path.name)
        case "dangling":
            path.symlink_to("nowhere")
        case "link":
            (path.parent / f"{path.name}.target").write_bytes(content)
            path.symlink_to(f"{path.name}.target")
        case "unreadable":
            path.write_bytes(content)
            path.chmod(0)
        case _:
            path.write_bytes(content)


DEVICES = st.sampled_from(["/dev/zero", "/dev/null", "/dev/urandom"])
PLACES = ["nothing", "folder", "pipe", "device", "loop", "dangling", "link", "unreadable"]


@st.composite
def files(draw, names, contents):
    """Draw what lies under each name: (name, place, content); most are sound."""
    found = []
    for name, content in zip(names, contents, strict=True):
        place = draw(st.sampled_from(["file"] * 24 + PLACES))
        content = draw(DEVICES) if place == "device" else draw(st.just(content) | damaged(content))
        found.append((name, place, content))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder to be emptied before each case."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def config():
    return compose(["data=digits", "model.hidden=[4]", "tracking=off", "epochs=1"])


def emptied(folder):
    shutil.rmtree(folder)
    (folder / "data").mkdir(parents=True)
    return folder / "data"


def trained(config, dataset):
    """Build all that trains on the data, and do an update."""
    trainer, _ = build_trainer(replace(config, data=replace(config.data, validation_size=None)), dataset)
    next(trainer.updates())


@given(files(("a", "b", "c", "d"), sound()), st.sampled_from(["", ".gz"]))
@cases(4)
def test_any_four_files_are_read_or_one_is_refused_by_name(harmless, folder, config, drawn, suffix):
    root = emptied(folder)
    for name, place, content in drawn:
        put(root / f"{name}{suffix}", place, content)
    with harmless(folder) as told:
        trained(config, load_files(root, [f"{name}{suffix}" for name, _, _ in drawn]))
    event("refused" if told else "trained on")
    assert all(str(root) in line or line.startswith(("data.", "model.")) for line in told)


KINDS = st.sampled_from(["mnist", "auto", "kmnist", "fashion_mnist"])


@given(files(NAMES, sound()), st.lists(st.sampled_from(["", ".gz"]), min_size=4, max_size=4), KINDS, st.booleans())
@cases(1)
def test_a_known_set_is_read_or_refused_by_name(harmless, folder, config, drawn, suffixes, kind, cached):
    root = emptied(folder)
    for (name, place, content), suffix in zip(drawn, suffixes, strict=True):
        put(root / f"{name}{suffix}", place, content)
    where = {"root": root, "cache": folder / "cache"}
    if cached:
        root.rename(folder / kind.replace("auto", "mnist"))
        where = {"cache": folder}
    with harmless(folder) as told:
        dataset = load(kind, download=False, progress=False, **where)
        if not dataset.fallback:
            trained(config, dataset)
    event("refused" if told else "trained on")
    assert all(str(folder) in line or line.startswith(("data.", "model.")) for line in told)


DIGITS = b"".join(
    b",".join(b"%d" % ((7 * row + column) % 17) for column in range(64)) + b",%d\n" % (row % 10) for row in range(400)
)


@st.composite
def text(draw):
    """Draw numbers and commas that are no table of digits, or might be one."""
    pieces = [DIGITS, b"", b",", b"\n", b"17", b"-1", b"256", b"1e3", b"9" * 99, b"nan", b"\0", b"1_0", "١".encode()]
    piece = draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=5)))
    return draw(st.sampled_from([b"", DIGITS])) + piece * draw(
        st.sampled_from([1, 2, 1000, 1 << 22 if len(piece) < 3 else 1])
    )


@st.composite
def table(draw):
    """Draw what lies in the place of scikit-learn's file."""
    place = draw(st.sampled_from(["file"] * 24 + PLACES))
    if place == "device":
        return place, draw(DEVICES)
    return place, gzip.compress(draw(text()), mtime=0) if draw(st.booleans()) else draw(damaged(DIGITS))


@given(table())
@cases(1)
def test_digits_are_read_or_refused_by_name(harmless, folder, config, drawn):
    root = emptied(folder)
    put(root / "digits.csv.gz", *drawn)
    with harmless(folder) as told:
        trained(config, load("digits", root=root))
    event("refused" if told else "trained on")
    assert all(str(root) in line or line.startswith("data.") for line in told)
