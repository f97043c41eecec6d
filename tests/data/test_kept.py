"""Files kept for a sweep's next job: read once, never stale, never another set's, and never a user's own."""

import gzip
import hashlib
import os
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

from mnist_trainer import registry
from mnist_trainer.config import CustomDataConfig, IdxConfig, KnownConfig
from mnist_trainer.data import idx, kept
from mnist_trainer.data.kept import KeptFiles
from mnist_trainer.data_sets import build_data as build_any_data

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture
def sweep(monkeypatch):
    """As within a sweep, whose files are old enough."""
    monkeypatch.setattr(kept, "SETTLED_SECONDS", -1.0)
    monkeypatch.setattr(KeptFiles, "current", KeptFiles())


@pytest.fixture
def parsed(monkeypatch):
    """The names of the files that are parsed."""
    names, parse = [], idx._parse_idx

    def counted(stream, path, role):
        names.append(path.name)
        return parse(stream, path, role)

    monkeypatch.setattr(idx, "_parse_idx", counted)
    return names


@pytest.fixture
def mine(tiny):
    """A folder with the tiny set's bare files, and the configuration that names it."""
    folder = tiny.folder.with_name("mine")
    folder.mkdir()
    for name, content in tiny.files.items():
        (folder / name).write_bytes(content)
    return folder, any_files(folder)


def any_files(folder, name="mine"):
    return IdxConfig(
        name=name,
        validation_size=None,
        standardize=True,
        root=str(folder),
        train_images=None,
        train_labels=None,
        test_images=None,
        test_labels=None,
        test_size=None,
        test_seed=0,
    )


def known(name, **more):
    return KnownConfig(
        name=name, validation_size=None, standardize=True, download=False, **{"root": None, "cache": None, **more}
    )


def build_data(config):
    """As a job does."""
    return build_any_data(config, kept=KeptFiles.current)


def arrays_of(dataset):
    return dataset.images, dataset.labels, dataset.test_images, dataset.test_labels


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["mnist", "idx"])
def test_a_second_job_reads_and_hashes_nothing(tiny, mine, parsed, monkeypatch, kind, packed, tmp_path):
    folder, config = mine
    if packed:
        for path in list(folder.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(tiny.packed[path.name])
            path.unlink()
    if kind == "mnist":
        config = known("mnist", root=str(folder), cache=str(tmp_path / "cache"))
    build_data(config)  # which leaves the unpacked copies
    first = build_data(config)
    parsed.clear()
    monkeypatch.setattr(idx, "idx_header", None)  # with which each checksum of an array begins
    monkeypatch.setattr(hashlib, "file_digest", None)
    second = build_data(config)
    assert parsed == []
    assert second.digest == first.digest
    assert all(one is other for one, other in zip(arrays_of(first), arrays_of(second), strict=True))


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize("form", ["npz", "csv", "digits"])
def test_other_forms_are_read_once_too(tmp_path, form):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (30, 4, 4), np.uint8), np.arange(30, dtype=np.uint8) % 3
    folder = tmp_path / "mine"
    folder.mkdir()
    if form == "npz":
        arrays = {"x_train": images, "y_train": labels, "x_test": images[:9], "y_test": labels[:9]}
        np.savez(folder / "mine.npz", **arrays)
    elif form == "csv":
        rows = np.column_stack([labels, images.reshape(30, -1)])
        for name in ("train.csv", "test.csv"):
            np.savetxt(folder / name, rows, fmt="%d", delimiter=",")
    config = known("digits") if form == "digits" else any_files(folder)
    first, second = build_data(config), build_data(config)
    assert all(one is other for one, other in zip(arrays_of(first), arrays_of(second), strict=True))
    if form != "digits":
        np.testing.assert_array_equal(second.images[..., 0], images)


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_has_changed_is_read_anew_however_alike_it_looks(mine, parsed, replaced):
    folder, config = mine
    first, path = build_data(config), folder / IMAGES
    times = path.stat()
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 255
    target = folder / "new" if replaced else path
    target.write_bytes(changed)
    while target.stat().st_ctime_ns == times.st_ctime_ns or target.stat().st_mtime_ns != times.st_mtime_ns:
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))  # till the disk's clock has ticked
    target.replace(path)
    parsed.clear()
    second = build_data(config)
    assert second.images[-1, -1, -1, 0] == first.images[-1, -1, -1, 0] ^ 255
    assert second.digest != first.digest
    assert IMAGES in parsed


@pytest.mark.usefixtures("sweep")
def test_a_file_that_is_gone_or_another_s_turn_is_noticed(mine, tiny):
    folder, config = mine
    first = build_data(config)
    (folder / f"{IMAGES}.gz").write_bytes(gzip.compress(b"another copy"))
    assert build_data(config).images is first.images  # which of the two is read is decided anew
    (folder / IMAGES).unlink()
    with pytest.raises(Exception, match=f"{IMAGES}.gz"):
        build_data(config)


def test_what_has_changed_just_now_is_not_kept(mine, parsed, monkeypatch):
    monkeypatch.setattr(KeptFiles, "current", KeptFiles())
    monkeypatch.setattr(kept, "SETTLED_SECONDS", 1e9)
    for _ in range(2):
        build_data(mine[1])
    assert len(parsed) == 8


@pytest.mark.usefixtures("sweep")
def test_another_set_is_read_when_the_last_one_is_gone_already(mine, tiny, monkeypatch):
    gone, parse = weakref.ref(build_data(mine[1]).images), idx._parse_idx

    def checked(stream, path, role):
        assert gone() is None
        return parse(stream, path, role)

    assert gone() is not None
    monkeypatch.setattr(idx, "_parse_idx", checked)
    build_data(any_files(tiny.folder, "other"))


@pytest.mark.usefixtures("sweep")
def test_no_job_can_write_into_what_the_next_one_gets(mine):
    dataset = build_data(mine[1])
    for array in arrays_of(dataset):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.usefixtures("sweep")
def test_a_remark_is_made_for_every_job(mine, tiny, idx_bytes, caplog):
    folder, config = mine
    (folder / IMAGES).write_bytes(idx_bytes(np.zeros((30, 4, 4), np.uint8)))
    said = []
    for _ in range(2):
        caplog.clear()
        build_data(config)
        said.append(caplog.messages)
    assert said[0] == said[1] != []


@pytest.mark.usefixtures("sweep")
def test_a_plugin_s_data_are_its_own_even_if_it_reads_files(mine, parsed):
    folder, _ = mine

    @registry.register_data("inverted")
    @dataclass
    class Inverted:
        def load(self):
            dataset = build_any_data(any_files(folder))
            np.subtract(255, dataset.images, out=dataset.images)
            return dataset

    first, second = (
        build_data(CustomDataConfig(name="inverted", validation_size=None, standardize=True, parameters={}))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.images, second.images)
    assert len(parsed) == 8


def test_without_a_sweep_nothing_is_kept(mine, parsed, monkeypatch):
    monkeypatch.setattr(kept, "SETTLED_SECONDS", -1.0)
    for _ in range(2):
        assert all(array.flags.writeable for array in arrays_of(build_data(mine[1])))
    assert len(parsed) == 8
