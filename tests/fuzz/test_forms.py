"""Folders and files in every form that lie: read, or refused by name; see conftest.py for the long run."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mnist_trainer.composition import compose
from mnist_trainer.data.loading import load, load_files
from tests.fuzz.nonsense import cases
from tests.fuzz.test_idx import BOMB, PLACES, damaged, emptied, put, trained, with_bomb

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (24, 4, 4), np.uint8), (np.arange(24) % 3).astype(np.uint8)
HUGE = (1 << 30, (1 << 31) - 1, 1 << 40)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def table(header=True):
    lines = [f"{label}," + ",".join(map(str, row)) for label, row in zip(LABELS, IMAGES.reshape(24, -1), strict=True)]
    return "\n".join((["label," + ",".join(f"pixel{i}" for i in range(16))] if header else []) + lines).encode() + b"\n"


def picture():
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(buffer, "PNG")
    return buffer.getvalue()


@st.composite
def lying(draw, array):
    """Return an .npy file whose header may promise what isn't there."""
    content = npy(array)
    match draw(st.integers(0, 7)):
        case 0:
            shape = draw(st.lists(st.sampled_from([0, 1, 4, 24, -1, *HUGE]), max_size=5))
            content = content.replace(str(array.shape).encode(), str(tuple(shape)).encode())
        case 1:
            kind = draw(st.sampled_from([b"|O", b"<U9", b"<f8", b"<M8", b"|V9", b"<c16", b">i2", b"<i8", b"|b1"]))
            content = content.replace(b"|u1", kind)
        case 2:
            content = content[:6] + draw(st.binary(min_size=2, max_size=6)) + content[8:]
        case 3:
            content = npy(np.array([{"a": 1}] * 24, object))
    return content


CONTENTS = {
    "mnist.npz": npz(x_train=npy(IMAGES), y_train=npy(LABELS), x_test=npy(IMAGES[:6]), y_test=npy(LABELS[:6])),
    "x_train.npy": npy(IMAGES),
    "y_train.npy": npy(LABELS),
    "train.csv": table(),
    "test.csv": table(header=False),
    "train-images-idx3-ubyte": struct.pack(">HBB3I", 0, 8, 3, *IMAGES.shape) + IMAGES.tobytes(),
    "0/a.png": picture(),
    "1/b.png": picture(),
    "notes.txt": b"hello",
}
SETS = [
    ["mnist.npz"],
    ["x_train.npy", "y_train.npy"],
    ["train.csv"],
    ["train.csv", "test.csv"],
    ["0/a.png", "1/b.png"],
    list(CONTENTS),
]


@st.composite
def folders(draw):
    """Draw what lies in a folder: (name, place, content)."""
    found = []
    for name in draw(st.sampled_from(SETS)):
        content = CONTENTS[name]
        if name.endswith(("npz", "npy")) and draw(st.booleans()):
            arrays = {"x_train": IMAGES, "y_train": LABELS}
            if name == "mnist.npz":
                content = npz(**{key: draw(lying(array)) for key, array in arrays.items()})
            else:
                content = draw(lying(arrays[name[:-4]]))
        place = draw(st.sampled_from(["file"] * 24 + [each for each in PLACES if each != "device"]))
        found.append((name, place, draw(st.just(content) | damaged(content))))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("forms")


@pytest.fixture(scope="module")
def config():
    return compose(["data=digits", "model.hidden=[4]", "tracking=off", "epochs=1"])


@given(folders(), st.booleans())
@cases(4)
def test_whatever_lies_in_a_folder_is_read_or_refused_by_name(harmless, folder, config, drawn, alone):
    root = emptied(folder)
    for name, place, content in drawn:
        (root / name).parent.mkdir(exist_ok=True)
        put(root / name, place, content)
    if alone and len(drawn) == 1:
        root /= drawn[0][0]
    with harmless(folder) as told:
        trained(config, load_files(root))
    event("refused" if told else "trained on")
    assert all(str(root) in told[0] or line.startswith(("data.", "model.")) for line in told)
    with harmless(folder) as told:
        load("mnist", root=root, cache=folder / "cache", download=False)
    assert len(told) == 1


def npz_of_a_bomb(shape):
    """An archive whose images promise `shape`, with 4 GB of zeros, in 4 MB."""
    head = npy(IMAGES).partition(b"\n")[0] + b"\n"
    head = head.replace(b"(24, 4, 4)", str(shape).encode())
    head = head[:8] + struct.pack("<H", len(head) - 10) + head[10:]
    content = npz(x_train=head, y_train=npy(LABELS))
    return content, head


@pytest.mark.parametrize("rows", [b"0" * (1 << 20), b",".join([b"0"] * 17) + b"\n"], ids=["a line", "rows"])
def test_a_table_that_unpacks_to_gigabytes_is_refused_in_little_memory(harmless, folder, rows):
    root = emptied(folder)
    if rows.endswith(b"\n"):  # rows of 16 pixels, more than any data set has
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
            file.write(table())
            for _ in range(80):
                file.write(rows * (1 << 16))
        content = packed.getvalue()
    else:
        content = with_bomb(table())
    (root / "train.csv.gz").write_bytes(content)
    with harmless(folder) as told:
        load_files(root)
    assert len(told) == 1
    assert str(root) in told[0]


def test_an_archive_that_unpacks_to_gigabytes_is_refused_in_little_memory(harmless, folder):
    root = emptied(folder)
    raw = b"\x50\x4b\x03\x04"  # the local header, written by hand: zipfile would inflate what it packs
    name = b"x_train.npy"
    size = 4096 << 20
    local = raw + struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(BOMB) + 2, size - 1, len(name), 0) + name
    packed = BOMB + b"\x03\0"
    central = b"PK\x01\x02" + struct.pack(
        "<HHHHHHIIIHHHHHII", 20, 20, 0, 8, 0, 0, 0, len(packed), size - 1, len(name), 0, 0, 0, 0, 0, 0
    )
    central += name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    (root / "mnist.npz").write_bytes(local + packed + central + end)
    with harmless(folder) as told:
        load_files(root)
    assert "mnist.npz" in told[0]


def test_a_header_that_promises_more_than_there_is_takes_no_memory(harmless, folder):
    root = emptied(folder)
    for shape in ((1 << 20, 28, 28), (1 << 22, 4, 4), (1 << 40, 4, 4)):
        content, _ = npz_of_a_bomb(shape)
        (root / "mnist.npz").write_bytes(content)
        with harmless(folder) as told:
            load_files(root)
        assert str(root) in told[0]
