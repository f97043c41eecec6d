import gzip
import logging
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mnist_trainer.data import cache as cache_module
from mnist_trainer.data import idx, loading
from mnist_trainer.data.loading import load, load_files
from mnist_trainer.data.sources import KNOWN_SETS
from mnist_trainer.errors import ConfigError, DataError

NAMES = tuple(file.name for file in KNOWN_SETS["mnist"].files)
IMAGES_24 = np.ones((24, 5, 3, 2))
DEAD = ("http://127.0.0.1:9/",)  # the discard port: refused at once


def refused(*args, **kwargs) -> str:
    with pytest.raises(DataError) as info:
        load(*args, **kwargs)
    return str(info.value)


def unpack(tiny, *names):
    for name in names:
        (tiny.folder / f"{name}.gz").unlink()
        (tiny.folder / name).write_bytes(tiny.files[name])


def same(one, other):
    for field in ("images", "labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    assert one.digest == other.digest


@pytest.mark.parametrize("kind", ["mnist", "auto", "kmnist"])
def test_a_named_folder_is_read(tiny, tmp_path, kind):
    loaded = load(kind, root=tiny.folder, cache=tmp_path / "cache")
    assert loaded.name == ("mnist" if kind == "auto" else kind)
    assert loaded.images.shape == (30, 4, 4, 1)
    assert loaded.test_images.shape == (10, 4, 4, 1)
    assert loaded.image_shape == (4, 4, 1)
    assert loaded.classes == 3
    assert loaded.source == str(tiny.folder)
    assert not loaded.fallback
    assert loaded.images.tobytes() == tiny.files[NAMES[0]][16:]
    assert loaded.labels.tobytes() == tiny.files[NAMES[1]][8:]


def test_bare_and_gzipped_files_mix_and_have_the_same_digest(tiny, tmp_path):
    packed = load("mnist", root=tiny.folder, cache=tmp_path / "cache")
    unpack(tiny, NAMES[0], NAMES[3])
    same(load("mnist", root=tiny.folder, cache=tmp_path / "other"), packed)
    as_idx = load_files(tiny.folder, (NAMES[0], f"{NAMES[1]}.gz", f"{NAMES[2]}.gz", NAMES[3]))
    same(as_idx, packed)


def test_the_second_load_reads_the_unpacked_copies(tiny, tmp_path, monkeypatch):
    first = load("mnist", root=tiny.folder, cache=tmp_path / "cache")
    assert {path.name for path in (tmp_path / "cache" / "mnist").iterdir()} == set(NAMES)
    read = []
    original = idx._read_idx
    monkeypatch.setattr(idx, "_read_idx", lambda path, role: read.append(path.parent) or original(path, role))
    same(load("mnist", root=tiny.folder, cache=tmp_path / "cache"), first)
    assert set(read) == {tmp_path / "cache" / "mnist"}


@pytest.mark.parametrize("damage", [b"", b"\0\0\x08\x03 cut", None])
def test_a_damaged_copy_is_not_trusted_but_replaced(tiny, tmp_path, damage):
    first = load("mnist", root=tiny.folder, cache=tmp_path / "cache")
    copy = tmp_path / "cache" / "mnist" / NAMES[0]
    copy.write_bytes(tiny.files[NAMES[0]][:-1] + b"?" if damage is None else damage)
    same(load("mnist", root=tiny.folder, cache=tmp_path / "cache"), first)
    assert copy.read_bytes() == tiny.files[NAMES[0]]


def test_a_copy_does_not_hide_that_the_named_folder_s_file_is_bad(tiny, tmp_path):
    load("mnist", root=tiny.folder, cache=tmp_path / "cache")
    (tiny.folder / f"{NAMES[0]}.gz").write_bytes(b"")
    assert "empty" in refused("mnist", root=tiny.folder, cache=tmp_path / "cache")


def test_without_a_writable_cache_loading_goes_on_silently(tiny, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert load("mnist", root=tiny.folder, cache=tmp_path / "cache").images.shape == (30, 4, 4, 1)
    assert caplog.text == ""


@pytest.mark.parametrize("kind", ["mnist", "auto", "kmnist", "fashion_mnist"])
def test_a_named_folder_never_falls_through(tmp_path, kind):
    absent = tmp_path / "absent"
    assert f"{absent}: no such folder or file (data.root={absent})" in refused(kind, root=absent)
    assert f"{tmp_path}: no training images of " in refused(kind, root=tmp_path)
    assert "data.root is empty" in refused(kind, root="")


@pytest.mark.parametrize("kind", ["mnist", "auto"])
def test_mnist_root_names_a_folder_and_never_falls_through(tiny, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("MNIST_ROOT", str(tiny.folder))
    assert load(kind).source == str(tiny.folder)
    (tiny.folder / f"{NAMES[3]}.gz").unlink()
    text = refused(kind)
    assert "no test labels of MNIST" in text
    assert f"holds {NAMES[2]}.gz" in text
    assert text.endswith(f"(MNIST_ROOT={tiny.folder})")


def test_mnist_root_is_not_kmnists_and_data_root_wins(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("MNIST_ROOT", str(tmp_path / "absent"))
    assert "downloads are off" in refused("kmnist", download=False)
    assert load("mnist", root=tiny.folder).name == "mnist"


def test_another_file_under_mnists_name_is_refused_with_the_way_out(tiny, tmp_path, idx_bytes):
    other = idx_bytes(np.zeros((30, 4, 4), np.uint8))
    (tiny.folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(other))
    text = refused("mnist", root=tiny.folder)
    assert f"{tiny.folder / NAMES[0]}.gz: not the official MNIST file" in text
    assert "data=idx" in text
    assert "not the official KMNIST file" in refused("kmnist", root=tiny.folder)


def test_structural_faults_are_told_before_checksums(tiny):
    (tiny.folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(tiny.files[NAMES[0]][:-100]))
    assert "truncated: the header promises 480 bytes of pixels, the file holds 380" in refused(
        "mnist", root=tiny.folder
    )
    shutil.copy(tiny.folder / f"{NAMES[1]}.gz", tiny.folder / f"{NAMES[0]}.gz")
    assert "holds labels, not images" in refused("mnist", root=tiny.folder)


def test_training_and_test_files_swapped_are_recognised(tiny):
    shutil.copy(tiny.folder / f"{NAMES[2]}.gz", tiny.folder / f"{NAMES[0]}.gz")
    assert "it is MNIST's t10k-images-idx3-ubyte" in refused("mnist", root=tiny.folder)


def test_the_official_file_packed_another_way_is_still_official(tiny):
    official = load("mnist", root=tiny.folder)
    (tiny.folder / f"{NAMES[0]}.gz").write_bytes(gzip.compress(tiny.files[NAMES[0]], compresslevel=1, mtime=7))
    same(load("mnist", root=tiny.folder), official)


def test_a_bare_file_without_published_checksum_is_taken_with_a_warning_unless_it_is_mnists(tiny, caplog, idx_bytes):
    unpack(tiny, NAMES[0])
    assert "it is MNIST's" in refused("kmnist", root=tiny.folder)
    (tiny.folder / NAMES[0]).write_bytes(idx_bytes(np.ones((30, 4, 4), np.uint8)))
    load("kmnist", root=tiny.folder)
    assert "taken unchecked" in caplog.text


def test_the_cache_alone_is_enough_without_network(tiny, tmp_path):
    first = load("mnist", root=tiny.folder, cache=tmp_path / "cache")
    again = load("auto", cache=tmp_path / "cache", download=False)
    same(again, first)
    assert again.source == str(tmp_path / "cache" / "mnist")


def serve(tiny, monkeypatch, asked):
    def fetch(file, algorithm, mirrors, folder, *, progress):
        asked.append((file.name, mirrors[0]))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.packed_name).write_bytes(tiny.packed[file.name])
        return "http://second/"

    monkeypatch.setattr("mnist_trainer.data.download.download", fetch)
    mirrors = ("http://first/", "http://second/")
    tiny.register(replace(tiny.mnist, mirrors=mirrors), replace(tiny.kmnist, mirrors=mirrors))


@pytest.mark.parametrize("kind", ["mnist", "auto", "kmnist"])
def test_missing_files_are_downloaded_once_first_from_the_mirror_that_worked(tiny, tmp_path, monkeypatch, kind):
    asked = []
    serve(tiny, monkeypatch, asked)
    first = load(kind, cache=tmp_path)
    assert [name for name, _ in asked] == list(NAMES)
    assert [mirror for _, mirror in asked] == ["http://first/", *["http://second/"] * 3]
    same(load(kind, cache=tmp_path), first)
    assert len(asked) == 4


def test_a_damaged_file_in_the_cache_is_downloaded_again(tiny, tmp_path, monkeypatch, caplog):
    asked = []
    serve(tiny, monkeypatch, asked)
    first = load("kmnist", cache=tmp_path)
    (tmp_path / "kmnist" / f"{NAMES[2]}.gz").write_bytes(b"\x1f\x8b damaged")
    same(load("kmnist", cache=tmp_path), first)
    assert [name for name, _ in asked[4:]] == [NAMES[2]]
    assert "will be replaced" in caplog.text


@pytest.mark.parametrize("download", [True, False])
def test_auto_without_mnist_is_digits_and_says_loudly_that_it_is_not_mnist(tiny, tmp_path, caplog, download):
    tiny.register(replace(tiny.mnist, mirrors=DEAD))
    loaded = load("auto", cache=tmp_path, download=download)
    assert (loaded.name, loaded.fallback, loaded.image_shape) == ("digits", True, (28, 28, 1))
    record = caplog.records[-1]
    assert record.levelno == logging.WARNING
    assert "NOT MNIST" in record.getMessage()
    assert ("Connection refused" if download else "downloads are off") in record.getMessage()


def test_mnist_itself_never_falls_back(tiny, tmp_path):
    tiny.register(replace(tiny.mnist, mirrors=DEAD))
    assert "Connection refused" in refused("mnist", cache=tmp_path)
    assert "data.download=true" in refused("mnist", cache=tmp_path, download=False)


def test_the_default_cache_is_the_users(tmp_path):
    assert cache_module.cache_folder(None) == tmp_path / "user-cache" / "mnist_trainer"


@pytest.mark.parametrize("home", ["/dev/null", "~"])  # one that can't be written to; none
def test_without_a_home_the_cache_is_among_the_temporary_files(monkeypatch, tmp_path, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home == "~":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert cache_module.cache_folder(None) == tmp_path / "mnist_trainer-cache"


def test_a_read_only_home_s_cache_is_still_read(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "mnist_trainer").mkdir()
    monkeypatch.setattr(os, "access", lambda *args: False)
    assert cache_module.cache_folder(None) == tmp_path / "mnist_trainer"


def test_an_unknown_kind_names_those_there_are():
    with pytest.raises(ConfigError, match=r"data=mnits: .* auto, mnist, .*, qmnist, digits, emnist, and idx"):
        load("mnits")


def write_idx(folder, idx_bytes, images, labels, test_images, test_labels):
    folder.mkdir(exist_ok=True)
    for name, array in zip(NAMES, (images, labels, test_images, test_labels), strict=True):
        (folder / name).write_bytes(idx_bytes(np.asarray(array, np.uint8)))
    return [folder / name for name in NAMES]


def test_any_idx_files_tell_their_size_and_classes(tmp_path, idx_bytes):
    paths = write_idx(tmp_path, idx_bytes, IMAGES_24, np.arange(24) % 4, IMAGES_24[:2], [6, 0])
    loaded = load_files(None, paths, name="mine")
    assert (loaded.name, loaded.image_shape, loaded.classes) == ("mine", (5, 3, 2), 7)
    assert loaded.class_names == ("0", "1", "2", "3", "4", "5", "6")
    assert loaded.default_validation_size == 2


def test_a_single_class_counts_as_two(tmp_path, idx_bytes):
    paths = write_idx(tmp_path, idx_bytes, np.ones((2, 5, 5)), [0, 0], np.ones((1, 5, 5)), [0])
    assert load_files(None, paths).classes == 2


@pytest.mark.parametrize(
    ("counts", "side", "problem"),
    [
        ((3, 4, 2, 2), 5, rf"{NAMES[1]}: 4 labels, but .*{NAMES[0]} holds 3 images"),
        ((3, 3, 2, 1), 5, rf"{NAMES[3]}: 1 labels, but .*{NAMES[2]} holds 2 images"),
        ((3, 3, 2, 2), 6, rf"{NAMES[2]}: images of 6 x 6 x 1, but .*{NAMES[0]} holds images of 5 x 5 x 1"),
    ],
)
def test_files_that_do_not_fit_each_other_are_named(tmp_path, idx_bytes, counts, side, problem):
    n_images, n_labels, n_test, n_test_labels = counts
    arrays = (
        np.ones((n_images, 5, 5)),
        np.ones(n_labels),
        np.ones((n_test, side, side)),
        np.ones(n_test_labels),
    )
    with pytest.raises(DataError, match=problem):
        load_files(None, write_idx(tmp_path, idx_bytes, *arrays))


def test_a_label_beyond_a_known_set_s_classes_is_named(tiny, idx_bytes):
    (tiny.folder / f"{NAMES[1]}.gz").unlink()
    (tiny.folder / NAMES[1]).write_bytes(idx_bytes(np.arange(30, dtype=np.uint8)))
    with pytest.raises(DataError, match=rf"{NAMES[1]}: holds the label 29; kmnist has 0 to 2 only"):
        load("kmnist", root=tiny.folder)


def test_real_mnist_from_its_folder_and_from_the_copies(real_mnist, tmp_path):
    first = load("mnist", root=real_mnist, cache=tmp_path)
    assert (first.images.shape, first.test_images.shape) == ((60_000, 28, 28, 1), (10_000, 28, 28, 1))
    assert first.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(first.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    tracemalloc.start()
    try:
        again = load("mnist", root=real_mnist, cache=tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    same(again, first)
    assert peak < 57_000_000  # 54.88 million pixels, 70,000 labels, and little else


def test_loading_from_a_warm_cache_imports_no_more_than_it_needs(real_mnist, tmp_path):
    code = (
        "import sys; from mnist_trainer.data.loading import load; load('mnist', cache=sys.argv[1])\n"
        "print([m for m in ('tqdm', 'urllib.request', 'ssl', 'gzip', 'sklearn') if m in sys.modules])"
    )
    load("mnist", root=real_mnist, cache=tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MNIST_ROOT": str(real_mnist)},
        capture_output=True,
        text=True,
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_the_known_kinds_are_all_there():
    assert set(loading.KNOWN_SETS) | {"auto", "digits", "qmnist"} == set(loading.KINDS)
