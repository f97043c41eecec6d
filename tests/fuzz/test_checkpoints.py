"""Checkpoints and parameter files that are damaged, foreign, or sound nonsense; see conftest.py for the long run."""

import copy
import functools
import io
import json
import logging
import os
import pickle
import shutil
import signal
import struct
import zipfile
import zlib

import numpy as np
import pytest
import yaml
from hypothesis import event, given

from mnist_trainer.api import train
from mnist_trainer.build import build_data, build_trainer
from mnist_trainer.composition import compose
from mnist_trainer.files import CHECKPOINT, PREVIOUS
from mnist_trainer.parameter_files import load_parameters, read_arrays
from mnist_trainer.runs import changes
from mnist_trainer.runs.folder import outcome_of, run_folder
from mnist_trainer.runs.resumption import Resumption
from mnist_trainer.sealed import CHECKSUM, DOCUMENT, checksum_of
from mnist_trainer.tasks.resume import resume
from mnist_trainer.training.checkpoint import Checkpoint
from mnist_trainer.training.interruption import Interrupted
from mnist_trainer.training.trainer import Trainer
from tests.fuzz.nonsense import SEEDS, cases, changed

TINY = ("data=digits", "tracking=off", "model.hidden=[4]", "model.dropout=0.1", "optimizer=adam", "epochs=2")


class Harm:
    ran = False

    def __reduce__(self):
        return setattr, (Harm, "ran", True)


def archive(members):
    """Write a zip file by hand: (name, kind of compression, content as it lies there, size that it claims)."""
    body, directory = b"", b""
    for name, kind, content, size in members:
        sizes = struct.pack("<III", 0, len(content), size & 0xFFFFFFFF)
        head = struct.pack("<HHHHH", 20, 0, kind, 0, 0) + sizes + struct.pack("<HH", len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name
        body += b"PK\3\4" + head + name + content
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\5\6" + end


def npy(shape, dtype="<f4", version=1):
    """Return the header of an array, as it claims to be."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text.encode()


def bomb():
    """Return deflate data of 2 GB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * 2048 + b"\3\0"


BOMB = bomb()
SHAPES = [
    "(1000000000000,)",
    "(1 << 62,)",
    "(-1,)",
    "(4000000000,)",
    "()",
    "(2, 3",
    "(1.5,)",
    "(100000, 100000)",
    "None",
]
DTYPES = ["<f4", "|O", "<f8", "|V1000000000", "<U99999999", "<M8[s]", ">i8", "x", [("a", "<f4")], "|b1", "<c16"]


def foreign(rng, names):
    """Return a file that nobody here wrote."""
    stream, name = io.BytesIO(), rng.choice(names)
    match rng.randrange(9):
        case 0:
            return rng.randbytes(rng.randrange(300))
        case 1:
            return pickle.dumps(Harm())
        case 2:
            np.savez(stream, **{each: np.array([Harm()], dtype=object) for each in names})
        case 3:
            np.savez_compressed(stream, **{each: np.zeros(1 << rng.randrange(22)) for each in names})
        case 4:
            np.save(stream, np.zeros(3))
        case 5:
            with zipfile.ZipFile(stream, "w") as file:
                for each in names:
                    content = rng.choice([b"", b"text", pickle.dumps(Harm()), npy("(3,)"), npy("(3,)") + bytes(12)])
                    file.writestr(each + rng.choice([".npy", "", ".npy", "/.npy"]), content)
        case 6:
            content = npy(rng.choice(SHAPES), rng.choice(DTYPES), rng.choice([1, 2, 3, 9])) + bytes(rng.randrange(99))
            return archive([(f"{name}.npy".encode(), 0, content, rng.choice([len(content), 1 << 31, 3]))])
        case 7:
            size = rng.choice([1 << 31, 100, 0, (1 << 32) - 1])
            return archive(
                [(f"{each}.npy".encode(), rng.choice([8, 8, 0, 12, 99]), BOMB, size) for each in (name, "b")]
            )
        case 8:
            return archive([]) + rng.randbytes(rng.randrange(30))
    return stream.getvalue()


def damaged(rng, content, names):
    """Return a file's content after an accident."""
    match rng.randrange(5):
        case 0:
            return content[: rng.randrange(len(content))]
        case 1:
            return foreign(rng, names)
        case 2:
            at = rng.randrange(len(content))
            return content[:at] + rng.randbytes(rng.randrange(50)) + content[at + rng.randrange(50) :]
        case _:
            mutated = bytearray(content)
            tail = rng.random() < 0.5  # where the zip's directory lies
            for _ in range(rng.randrange(1, 5)):
                mutated[rng.randrange(len(content) - 900 if tail else 0, len(content))] = rng.randrange(256)
            return bytes(mutated)


def misshapen(rng, arrays):
    """Change something of the arrays, in place."""
    name = rng.choice(list(arrays))
    array = arrays[name]
    match rng.randrange(8):
        case 0:
            del arrays[name]
        case 1:
            arrays[rng.choice(["x", name + "x", "model/", "best/confusion", "../x"])] = arrays.pop(name)
        case 2:
            arrays["more"] = array
        case 3:
            arrays[name] = array.astype(rng.choice(["f8", "i4", "u1", "c8", "?", "S3", "f2", ">f4"]))
        case 4:
            arrays[name] = rng.choice([array.reshape(-1), array.T, array[:0], array[None], np.float32(1), array[1:]])
        case 5 if array.size and array.dtype.kind == "f":
            arrays[name] = array.copy()
            arrays[name].flat[rng.randrange(array.size)] = rng.choice([np.nan, np.inf, -np.inf])
        case 6:
            arrays[name] = np.zeros(array.shape, rng.choice(["M8[s]", "i8", array.dtype]))
        case _:
            arrays[name] = np.full_like(array, 3)


def write(path, arrays, document):
    """Write a checkpoint whose checksum is right."""
    arrays = {**arrays, DOCUMENT: np.frombuffer(document, np.uint8)}
    try:
        arrays[CHECKSUM] = np.frombuffer(checksum_of(arrays), np.uint8)
    except ValueError:  # of a type that has no bytes
        arrays[CHECKSUM] = np.zeros(32, np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that was stopped in its second epoch; compositions are kept meanwhile, as they take long."""
    root = tmp_path_factory.mktemp("whole")
    update = Trainer.update

    def stopped(self, x, labels):
        found = update(self, x, labels)
        if self.step == 15:
            signal.raise_signal(signal.SIGTERM)
        return found

    with pytest.MonkeyPatch.context() as patch:
        cached = functools.cache(compose)
        patch.setattr(changes, "compose", lambda overrides: copy.deepcopy(cached(tuple(overrides))))
        patch.setattr(Trainer, "update", stopped)
        with pytest.raises(Interrupted):
            train(*TINY, f"outputs={root}")
        patch.setattr(Trainer, "update", update)
        (folder,) = (path.parent for path in root.glob(f"*/*/{CHECKPOINT}"))
        (folder / ".hydra").mkdir()
        (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(TINY))
        yield folder


@pytest.fixture(scope="module")
def digits():
    """Return the data set; a function, whose representation is short."""
    return functools.cache(lambda: build_data(compose(TINY).data))


@pytest.fixture(scope="module")
def emptied(tmp_path_factory):
    """Return an empty folder; it is the same each time."""
    folder = tmp_path_factory.mktemp("cases")

    def make():
        shutil.rmtree(folder)
        folder.mkdir()
        return folder

    return make


@pytest.fixture(scope="module")
def copied(whole, emptied):
    """Return a copy of the run's folder."""
    return lambda: shutil.copytree(whole, emptied() / "run")


def goes_on(folder, digits, named):
    """Prepare to resume the run, restore its state and do an update; nothing in the folder is changed by that."""
    resumption = Resumption.prepared(str(named), run_folder(str(named), folder.parent), [f"resume={named}"])
    try:
        trainer, _ = build_trainer(resumption.config, digits())
        resumption.restore(trainer, digits())
        with np.errstate(all="ignore"):
            next(trainer.updates())
    finally:
        resumption.journal.close()


@given(SEEDS)
@cases(5)
def test_a_damaged_or_foreign_file_is_refused_by_name_or_changes_nothing(harmless, whole, emptied, rng):
    path = emptied() / CHECKPOINT
    sound = (whole / CHECKPOINT).read_bytes()
    expected = Checkpoint.load(whole / CHECKPOINT)
    path.write_bytes(damaged(rng, sound, [DOCUMENT, CHECKSUM, "model/1.weights"]))
    with harmless(path.parent) as told:
        found = Checkpoint.load(path)
        assert found.document == expected.document
        assert found.arrays.keys() == expected.arrays.keys()
        assert all(found.arrays[name].tobytes() == expected.arrays[name].tobytes() for name in found.arrays)
    event("refused" if told else "read")
    assert all(line.startswith(f"{path}: ") for line in told)
    assert not Harm.ran


@given(SEEDS)
@cases(5)
def test_a_parameter_file_is_loaded_as_a_whole_or_not_at_all(harmless, whole, emptied, rng):
    path = emptied() / "last.npz"
    arrays = read_arrays(whole / "last.npz", "")
    if rng.random() < 0.5:
        path.write_bytes(damaged(rng, (whole / "last.npz").read_bytes(), list(arrays)))
    else:
        others = dict(arrays)
        misshapen(rng, others)
        np.savez(path, **others)
    into = {name: np.full_like(array, 7) for name, array in arrays.items()}
    with harmless(path.parent) as told:
        load_parameters(path, into)
    event("refused" if told else "read")
    assert all(line.startswith(f"{path}: ") for line in told)
    assert not told or all((array == 7).all() for array in into.values())
    assert not Harm.ran


@pytest.mark.long
@given(SEEDS)
@cases(5)
def test_nonsense_with_a_valid_checksum_is_refused_or_goes_on(harmless, copied, digits, rng):
    folder = copied()
    checkpoint = Checkpoint.load(folder / CHECKPOINT)
    arrays, document = dict(checkpoint.arrays), dict(checkpoint.document)
    if rng.random() < 0.3:
        misshapen(rng, arrays)
    else:
        for _ in range(rng.randrange(1, 3)):
            changed(rng, document)
    text = json.dumps(document).encode()
    if rng.random() < 0.1:
        text = rng.choice(
            [b"", b"[" * 100000, b"null", b"[]", b"{}", b"\xff", text[:-5], b"1" * 9999, b'{"format": 1}']
        )
    write(folder / CHECKPOINT, arrays, text)
    named = rng.choice([folder, folder / CHECKPOINT])
    if rng.random() < 0.7:
        (folder / PREVIOUS).unlink()
    with harmless(folder) as told:
        goes_on(folder, digits, named)
    event("refused" if told else "goes on")


@given(SEEDS)
@cases(2)
def test_other_files_of_the_run_that_are_nonsense_are_told_or_do_no_harm(harmless, copied, digits, rng):
    folder = copied()
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).unlink()
    name = rng.choice(["config.yaml", "config.yaml", ".hydra/overrides.yaml", "outcome.json"])
    path = folder / name
    if name == "outcome.json":
        journal = folder / "journal.jsonl"
        journal.write_bytes(journal.read_bytes().replace(b'"status":"KILLED"', b'"status":"FINISHED"'))
        values = {**json.loads(path.read_text()), "status": "FINISHED", "test_loss": 1.0, "epochs": 2}
        changed(rng, values)
        text = json.dumps(values).encode()
    else:
        values = yaml.safe_load(path.read_text())
        changed(rng, values)
        text = json.dumps(values).encode()
    if rng.random() < 0.2:
        bombs = b"".join(b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12))
        odd = [b"", b"[" * 3000, b"- " * 3000, b"a0: &a0 1\n" + bombs, b"\xff\0", b"!!python/object:os.x {}", b"? [1]"]
        text = rng.choice([*odd, text[: rng.randrange(len(text))], rng.randbytes(30), b"1: 2", b"a: 1999-99-99"])
    path.write_bytes(text)
    if rng.random() < 0.05:
        path.unlink()
        rng.choice(
            [path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero"), lambda: path.symlink_to(path)]
        )()
    with harmless(folder) as told:
        if name == "outcome.json":
            logging.disable()
            if outcome_of(folder).get("status") == "FINISHED":
                resume(str(folder), folder, rng.choice([[], ["seed=0"]]))
        else:
            goes_on(folder, digits, folder)
    logging.disable(logging.NOTSET)
    event("refused" if told else "goes on")


@pytest.mark.parametrize("place", ["folder", "pipe", "/dev/zero", "/dev/null", "loop"])
@pytest.mark.parametrize("name", [CHECKPOINT, "journal.jsonl", "config.yaml", "outcome.json", "shipped.json"])
def test_what_is_no_file_in_a_file_s_place_is_told_or_does_no_harm(harmless, copied, digits, name, place):
    folder = copied()
    (folder / PREVIOUS).unlink()
    if name == "config.yaml":
        (folder / CHECKPOINT).unlink()
    path = folder / name
    path.unlink(missing_ok=True)
    match place:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(name)
        case device:
            path.symlink_to(device)
    with harmless(folder) as told:
        goes_on(folder, digits, folder)
    assert bool(told) == (name in (CHECKPOINT, "journal.jsonl", "config.yaml"))
