"""Data as people have them: every form, wherever it lies, by its content."""

import gzip
import io
import os
import pickle
import shutil
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.data import file_sets, idx, survey
from mnist_trainer.data.loading import load, load_emnist, load_files
from mnist_trainer.data.sources import KNOWN_SETS
from mnist_trainer.errors import ConfigError, DataError

NAMES = tuple(file.name for file in KNOWN_SETS["mnist"].files)
RNG = np.random.default_rng(1)
IMAGES, LABELS = RNG.integers(0, 256, (30, 4, 4), np.uint8), (np.arange(30) % 3).astype(np.uint8)
TEST_IMAGES, TEST_LABELS = RNG.integers(0, 256, (10, 4, 4), np.uint8), (np.arange(10) % 3).astype(np.uint8)
ARRAYS = (IMAGES, LABELS, TEST_IMAGES, TEST_LABELS)


def arrays_of(loaded):
    return loaded.images[..., 0], loaded.labels, loaded.test_images[..., 0], loaded.test_labels


def same(loaded, arrays=ARRAYS):
    for found, wanted in zip(arrays_of(loaded), arrays, strict=True):
        np.testing.assert_array_equal(found, wanted)


def refused(*args, **kwargs):
    with pytest.raises((DataError, ConfigError)) as info:
        load_files(*args, **kwargs)
    return str(info.value)


def layout(kind, folder, files):
    """Lay the four bare files out as one finds them."""
    for name, content in files.items():
        match kind:
            case "torchvision's root":
                path, content = folder / "MNIST" / "raw" / name, content
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(f"{name}.gz").write_bytes(gzip.compress(content))
            case "torchvision's raw folder":
                path = folder / name
            case "dots":
                path = folder / name.replace("-idx", ".idx")
            case "own folders":
                path = folder / name.replace("-idx", ".idx") / name
            case "own folders and files":
                path = folder / name / name
                path.parent.mkdir(parents=True)
                (folder / name.replace("-idx", ".idx")).write_bytes(content)
            case "upper case":
                path, content = folder / f"{name.upper()}.GZ", gzip.compress(content)
            case "gzipped without saying so":
                path, content = folder / name, gzip.compress(content)
            case "bare with .gz":
                path = folder / f"{name}.gz"
            case "deep":
                path = folder / "a" / "b" / "c" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


LAYOUTS = [
    "torchvision's root",
    "torchvision's raw folder",
    "dots",
    "own folders",
    "own folders and files",
    "upper case",
    "gzipped without saying so",
    "bare with .gz",
    "deep",
]


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_files_are_found_wherever_and_however_they_lie(tiny, tmp_path, kind):
    layout(kind, tmp_path / "data", tiny.files)
    wanted = load("mnist", root=tiny.folder)
    as_mnist, as_idx = load("mnist", root=tmp_path / "data"), load_files(tmp_path / "data")
    assert as_mnist.digest == as_idx.digest == wanted.digest
    same(as_idx, arrays_of(wanted))


def test_one_root_with_several_sets_gives_each_its_own(tiny, tmp_path):
    layout("torchvision's root", tmp_path / "data", tiny.files)
    other = tmp_path / "data" / "FashionMNIST" / "raw"
    other.mkdir(parents=True)
    for name, array in zip(NAMES, ARRAYS, strict=True):
        (other / name).write_bytes(idx.idx_header(array) + array.tobytes())
    assert load("mnist", root=tmp_path / "data").digest == load("mnist", root=tiny.folder).digest
    text = refused(tmp_path / "data")
    assert "2 places have training images: FashionMNIST/raw/" in text
    assert "MNIST/raw/" in text
    assert "data.root=" in text
    same(load_files(tmp_path / "data" / "FashionMNIST"))


@pytest.mark.parametrize("code", [0x09, 0x0B, 0x0C, 0x0D, 0x0E])
def test_wider_numbers_are_taken_where_they_are_whole_and_fit(tmp_path, code):
    dtype = {0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}[code]
    small = [array % 128 for array in ARRAYS]
    for name, array in zip(NAMES, small, strict=True):
        head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
        (tmp_path / name).write_bytes(head + array.astype(dtype).tobytes())
    same(load_files(tmp_path), small)
    bad = -1 if code < 0x0D else 0.5
    (tmp_path / NAMES[1]).write_bytes(
        struct.pack(">HBBI", 0, code, 1, 30) + np.array([bad, *LABELS[1:]]).astype(dtype).tobytes()
    )
    text = refused(tmp_path)
    assert f"{tmp_path / NAMES[1]}: holds " in text
    assert "0 to 255 fit" in text


def save_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


KERAS = dict(zip(("x_train", "y_train", "x_test", "y_test"), ARRAYS, strict=True))


@pytest.mark.parametrize("in_folder", [True, False])
def test_keras_archive_is_mnist_by_its_content(tiny, tmp_path, in_folder):
    official = arrays_of(load("mnist", root=tiny.folder))
    (tmp_path / "keras").mkdir()
    path = save_npz(tmp_path / "keras" / "mnist.npz", **dict(zip(KERAS, official, strict=True)))
    root = path.parent if in_folder else path
    shutil.rmtree(tiny.folder)
    assert load("mnist", root=root).digest == load_files(root).digest
    same(load("mnist", root=root), official)
    save_npz(path, **KERAS)
    with pytest.raises(DataError, match=r"not the official MNIST file .*; data=idx takes any"):
        load("mnist", root=root)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {key: array.astype(np.int64) for key, array in arrays.items()},
        lambda arrays: {key: np.asfortranarray(array) for key, array in arrays.items()},
        lambda arrays: {key: array.reshape(len(array), -1) for key, array in arrays.items()},
        lambda arrays: dict(zip(("train_images", "train_labels", "test_images", "test_labels"), ARRAYS, strict=True)),
        lambda arrays: {**arrays, "x_val": IMAGES[:3], "y_val": LABELS[:3]},
    ],
    ids=["integers", "by column", "flat", "other names", "with a validation part"],
)
def test_archives_of_arrays_in_other_ways(tmp_path, change):
    same(load_files(save_npz(tmp_path / "any.npz", **change(KERAS))))


def test_single_arrays_and_archives_of_one_make_a_set(tmp_path):
    for name, array in KERAS.items():
        np.save(tmp_path / f"{name}.npy", array)
    same(load_files(tmp_path))
    same(load_files(tmp_path, [f"{name}.npy" for name in KERAS]))
    (tmp_path / "kmnist").mkdir()
    for name, array in zip(("train-imgs", "train-labels", "test-imgs", "test-labels"), ARRAYS, strict=True):
        save_npz(tmp_path / "kmnist" / f"kmnist-{name}.npz", arr_0=array)
    same(load_files(tmp_path / "kmnist"))


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_a_pickle_is_never_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = np.array([Trap()] * 30, object)
    for content in (pickle.dumps(Trap()), pickle.dumps(Trap(), 2)):
        (tmp_path / "mnist.pkl").write_bytes(content)
        assert "a pickle, which is never loaded" in refused(tmp_path)
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(Trap())))
    assert "mnist.pkl.gz (a pickle" in refused(tmp_path)
    np.savez(tmp_path / "mnist.npz", **{**KERAS, "y_train": trap})
    assert "which only a pickle can" in refused(tmp_path)
    assert not (tmp_path / "sprung").exists()


def table(images, labels=None, header=True, end="\n"):
    rows = images.reshape(len(images), -1).tolist()
    lines = [",".join(map(str, row)) for row in rows]
    if labels is not None:
        lines = [f"{label},{line}" for label, line in zip(labels, lines, strict=True)]
    names = [f"pixel{number}" for number in range(len(rows[0]))]
    head = [",".join((["label"] if labels is not None else []) + names)] if header else []
    return end.join(head + lines) + end


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
def test_tables_of_pixels_with_a_training_and_a_test_file(tmp_path, header, end):
    (tmp_path / "mnist_train.csv").write_text(table(IMAGES, LABELS, header, end))
    (tmp_path / "mnist_test.csv.gz").write_bytes(gzip.compress(table(TEST_IMAGES, TEST_LABELS, header, end).encode()))
    same(load_files(tmp_path))


def test_kaggles_test_file_without_labels_is_told_and_a_test_part_split_off(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "train.csv").write_text(table(IMAGES, LABELS))
    (tmp_path / "test.csv").write_text(table(TEST_IMAGES))
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n2,0\n")
    loaded = load_files(tmp_path)
    assert f"{tmp_path}/test.csv: left out: it has no labels" in caplog.text
    assert "4 of its 30 images are the test set, drawn by data.test_seed=0" in caplog.text
    assert (len(loaded.labels), len(loaded.test_labels)) == (26, 4)


def test_the_split_takes_every_image_once_by_its_seed_and_by_classes(tmp_path):
    (tmp_path / "train.csv").write_text(table(IMAGES, LABELS))
    splits = [load_files(tmp_path / "train.csv", test_size=6, test_seed=seed) for seed in (0, 0, 1)]
    assert splits[0].digest == splits[1].digest != splits[2].digest
    for loaded in splits:
        together = np.concatenate([loaded.images, loaded.test_images])[..., 0].reshape(30, -1)
        assert sorted(map(bytes, together)) == sorted(map(bytes, IMAGES.reshape(30, -1)))
        assert np.bincount(loaded.test_labels).tolist() == [2, 2, 2]
    assert "data.test_size=30: 0 to 29 of 30 samples" in refused(tmp_path, test_size=30)
    (tmp_path / "test.csv").write_text(table(TEST_IMAGES, TEST_LABELS))
    assert "data.test_size=3: there is a test part" in refused(tmp_path, test_size=3)


@pytest.mark.parametrize(
    "text",
    [
        '"""Reads images, labels, parts, and more."""\nimport os\n',
        "a,b,c,label,d\nx,y,z,w,v\n",
        "name,size,kind,where\n1,2,3\n",
        "ImageId,Label\n1,2\n",
        "1,2,3,4\n".replace(",", ";"),
    ],
)
def test_text_with_commas_is_no_table_of_pixels(tmp_path, text):
    (tmp_path / "train.py").write_text(text)
    assert "no data that can be taken" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (table(IMAGES, LABELS).replace("\n2,", "\n2,300,", 1), "line 4: has 18 values; the first line has 17"),
        (table(IMAGES, LABELS).replace("\n2,", "\nx,", 1), "line 4: holds something else than numbers"),
        (table(IMAGES.astype(int) + 1, LABELS), "values from 0 to 256; whole numbers from 0 to 255 fit"),
        (table(IMAGES / 255, LABELS), "holds fractions, such as 0."),
        (table(IMAGES[:1], LABELS[:1]).splitlines()[0] + "\n", "holds nothing below its header"),
        (table(IMAGES, LABELS) + "1" * 200_000, "line of more than 65,536 bytes"),
    ],
)
def test_what_is_wrong_in_a_table_is_told_by_its_line(tmp_path, text, problem):
    (tmp_path / "train.csv").write_text(text)
    text = refused(tmp_path)
    assert text.startswith(f"{tmp_path}/train.csv: ")
    assert problem in text


def picture(path, array):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("mnist_png/training", "mnist_png/testing")])
def test_pictures_in_a_folder_per_class(tmp_path, train, test):
    names = ["10", "2", "apple"]
    for part, images, labels in ((train, IMAGES, LABELS), (test, TEST_IMAGES, TEST_LABELS)):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            picture(tmp_path / part / names[label] / f"{number:03}.png", image)
    loaded = load_files(tmp_path)
    assert loaded.class_names == ("2", "10", "apple")  # numbers by size, then words
    order = np.argsort(np.array([1, 0, 2])[LABELS], kind="stable")
    np.testing.assert_array_equal(loaded.images[..., 0], IMAGES[order])
    assert loaded.labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    with pytest.raises(
        DataError, match=r"no training images of MNIST \(data=idx takes any\); .* pictures in 3 folders"
    ):
        load("mnist", root=tmp_path)
    assert np.bincount(loaded.test_labels).tolist() == [3, 4, 3]


def test_pictures_in_colour_with_a_palette_and_of_another_size(tmp_path):
    from PIL import Image

    coloured = RNG.integers(0, 256, (4, 6, 3), np.uint8)
    for number in range(8):
        picture(tmp_path / str(number % 2) / f"{number}.png", coloured)
    Image.fromarray(coloured).quantize(8).save(tmp_path / "0" / "0.png")
    loaded = load_files(tmp_path)
    assert (loaded.image_shape, loaded.class_names) == ((4, 6, 3), ("0", "1"))
    picture(tmp_path / "1" / "7.png", coloured[:3])
    assert f"{tmp_path}/1/7.png: a picture of 3 x 6 pixels; the first has 4 x 6" in refused(tmp_path)
    (tmp_path / "1" / "7.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert f"{tmp_path}/1/7.png: no picture that can be read" in refused(tmp_path)
    (tmp_path / "1" / "7.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\nquit\n")  # no decoder but three is asked
    assert "no picture that can be read" in refused(tmp_path)


def test_a_picture_that_promises_gigabytes_is_refused_by_its_header(tmp_path):
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    (tmp_path / "0").mkdir()
    picture(tmp_path / "1" / "b.png", IMAGES[0])
    (tmp_path / "0" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert f"{tmp_path}/0/a.png" in refused(tmp_path)


def test_pictures_in_a_single_folder_are_no_set(tmp_path):
    picture(tmp_path / "docs" / "logo.png", IMAGES[0])
    assert "docs (pictures, in a single folder: one for each class is wanted)" in refused(tmp_path)
    np.savez(tmp_path / "mnist.npz", **KERAS)
    same(load_files(tmp_path))


def emnist(folder, split, form, counts=(30, 10), first=0, extra=()):
    folder.mkdir(exist_ok=True)
    images = [IMAGES[: counts[0]], TEST_IMAGES[: counts[1]]]
    labels = [LABELS[: counts[0]] + first, TEST_LABELS[: counts[1]] + first]
    for part, some, its in zip(("train", "test"), images, labels, strict=True):
        turned = some.transpose(0, 2, 1)
        if form == "csv":
            (folder / f"emnist-{split}-{part}.csv").write_text(table(turned, its, header=False))
        else:
            for what, array in (("images-idx3", turned), ("labels-idx1", its)):
                content = idx.idx_header(array) + array.tobytes()
                (folder / f"emnist-{split}-{part}-{what}-ubyte.gz").write_bytes(gzip.compress(content))


@pytest.fixture
def small_sets(monkeypatch):
    """EMNIST's splits with 30 and 10 images."""
    from dataclasses import replace

    small = {name: replace(files, counts=(30, 10)) for name, files in file_sets.EMNIST.items()}
    monkeypatch.setattr("mnist_trainer.data.loading.EMNIST", small)
    monkeypatch.setattr("mnist_trainer.data.loading.QMNIST", replace(file_sets.QMNIST, counts=(30, 10)))


@pytest.mark.parametrize("form", ["idx", "csv"])
@pytest.mark.parametrize(("split", "first", "name"), [("letters", 1, "C"), ("balanced", 0, "2")])
def test_emnist_stands_upright_and_its_letters_begin_at_0(tmp_path, small_sets, form, split, first, name):
    for each in ("letters", "balanced", "byclass"):
        emnist(tmp_path / "gzip", each, form, first=1 if each == "letters" else 0)
    (tmp_path / "gzip" / f"emnist-{split}-mapping.txt").write_text("1 65 97\n")
    loaded = load_emnist(split, root=tmp_path)
    same(loaded)
    assert (loaded.name, loaded.class_names[2]) == (f"emnist_{split}", name)
    assert loaded.classes == {"letters": 26, "balanced": 47}[split]


def test_emnist_that_is_not_there_says_where_to_get_it(tmp_path, small_sets):
    with pytest.raises(DataError, match=r"EMNIST letters is not here .*nist\.gov/"):
        load_emnist("letters", cache=tmp_path)
    emnist(tmp_path / "emnist", "digits", "idx")
    with pytest.raises(DataError, match=r"no file of EMNIST letters, emnist-letters-\.\.\.; .* holds emnist-digits"):
        load_emnist("letters", cache=tmp_path)
    assert load_emnist("digits", cache=tmp_path).name == "emnist_digits"
    emnist(tmp_path / "emnist", "mnist", "idx", counts=(29, 10))
    with pytest.raises(DataError, match="holds 29 images; EMNIST mnist has 30 there"):
        load_emnist("mnist", cache=tmp_path)
    emnist(tmp_path / "emnist", "letters", "idx")
    with pytest.raises(DataError, match="holds the label 0; EMNIST letters begins at 1"):
        load_emnist("letters", cache=tmp_path)


def test_the_real_emnists_numbers_are_consistent():
    for name, files in file_sets.EMNIST.items():
        assert (
            len(set(files.class_names))
            == len(files.class_names)
            == {
                "byclass": 62,
                "bymerge": 47,
                "balanced": 47,
                "letters": 26,
            }.get(name, 10)
        )


def test_qmnists_labels_are_the_first_of_eight_columns(tmp_path, small_sets):
    for part, images, labels in (("train", IMAGES, LABELS), ("test", TEST_IMAGES, TEST_LABELS)):
        (tmp_path / f"qmnist-{part}-images-idx3-ubyte").write_bytes(idx.idx_header(images) + images.tobytes())
        rows = RNG.integers(-5, 100_000, (len(labels), 8)).astype(">i4")
        rows[:, 0] = labels
        head = struct.pack(">HBB2I", 0, 0x0C, 2, len(labels), 8)
        (tmp_path / f"qmnist-{part}-labels-idx2-int.gz").write_bytes(gzip.compress(head + rows.tobytes()))
    loaded = load("qmnist", root=tmp_path)
    same(loaded)
    assert loaded.name == "qmnist"
    with pytest.raises(DataError, match=r"github\.com/facebookresearch/qmnist"):
        load("qmnist", cache=tmp_path / "nothing")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("mnist.h5", b"\x89HDF\r\n\x1a\n", "mnist.h5 (HDF5: save its arrays with numpy.savez)"),
        ("mnist.mat", b"MATLAB 5.0 MAT-file", "mnist.mat (MATLAB's"),
        ("mnist.parquet", b"PAR1\x15\x04", "mnist.parquet (Parquet"),
        ("gzip.zip", None, "gzip.zip (an archive without arrays: unpack it)"),
        ("mnist.tar.bz2", b"BZh91AY&SY", "mnist.tar.bz2 (packed by bzip2: unpack it)"),
        ("train.bin", b"version https://git-lfs.github.com/spec/v1\n", "train.bin (a pointer of Git LFS"),
        ("notes.txt", b"hello", "holds notes.txt; what fits"),
        ("a.png", b"\x89PNG", "1 pictures in no folder of a class"),
    ],
)
def test_what_can_not_be_taken_is_listed_with_what_would_fit(tmp_path, name, content, what):
    if content is None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("gzip/emnist-letters-train-images-idx3-ubyte.gz", b"...")
        content = buffer.getvalue()
    (tmp_path / name).write_bytes(content)
    text = refused(tmp_path)
    assert what in text
    assert all(word in text for word in ("train-images-idx3-ubyte", ".npz", "CSV", "PNGs in a folder per class"))
    with pytest.raises(DataError) as error:
        load("mnist", root=tmp_path)
    assert what in str(error.value)


def test_half_a_set_is_told_with_what_there_is(tmp_path):
    (tmp_path / NAMES[0]).write_bytes(idx.idx_header(IMAGES) + IMAGES.tobytes())
    assert f"{tmp_path}: no training labels; {tmp_path} holds {NAMES[0]};" in refused(tmp_path)
    assert "no training labels" in refused(tmp_path / NAMES[0])
    (tmp_path / NAMES[1]).write_bytes(idx.idx_header(LABELS) + LABELS.tobytes())
    assert len(load_files(tmp_path).test_labels) == 4
    (tmp_path / NAMES[2]).write_bytes(idx.idx_header(TEST_IMAGES) + TEST_IMAGES.tobytes())
    assert "no test labels" in refused(tmp_path)
    (tmp_path / NAMES[0]).unlink()
    (tmp_path / NAMES[1]).unlink()
    assert "only a test part, and nothing to train on" in refused(tmp_path)
    assert "data.test_labels is missing" in refused(tmp_path, ["a", "b", "c", None])


def test_links_in_a_circle_pipes_and_hidden_files_do_no_harm(tmp_path):
    layout("deep", tmp_path, dict(zip(NAMES, (idx.idx_header(a) + a.tobytes() for a in ARRAYS), strict=True)))
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\x08\x03")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / f"._{NAMES[0]}").write_bytes(b"\0\0\x08\x03")
    same(load_files(tmp_path))
    found = survey.survey(tmp_path)
    assert set(found.others) == {"pipe (not a file)", "self (not a file)"}


@given(st.binary(max_size=80), st.sampled_from(["train.csv", "mnist.npz", "x_train.npy", "a.gz", *NAMES[:1]]))
def test_any_bytes_under_any_name_are_read_or_refused_by_name(tmp_path_factory, content, name):
    folder = tmp_path_factory.mktemp("any")
    for start in (b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"label,a,b,c,d\n"):
        (folder / name).write_bytes(start + content)
        assert str(folder) in refused(folder)
