import gzip
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnist_trainer.data import known_files, loading
from mnist_trainer.data.sources import KnownFile, KnownSet

_FOLDERS = (os.environ.get("MNIST_ROOT"), Path(__file__).parents[3] / "shared" / "mnist")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch, tmp_path):
    monkeypatch.delenv("MNIST_ROOT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="session")
def real_mnist() -> Path:
    for folder in _FOLDERS:
        if folder and (Path(folder) / "train-images-idx3-ubyte.gz").is_file():
            return Path(folder)
    pytest.skip("the real MNIST files are neither in MNIST_ROOT nor in ../shared/mnist")


@pytest.fixture(scope="session")
def idx_bytes() -> Callable[[np.ndarray], bytes]:
    """The IDX format written down a second time, from its description."""

    def encode(array: np.ndarray) -> bytes:
        return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()

    return encode


@pytest.fixture(scope="session")
def tiny_files(idx_bytes) -> dict[str, bytes]:
    """Bare IDX files of a set with 30 training and 10 test images of 4 x 4, 3 classes."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (30, 4, 4), np.uint8)),
        "train-labels-idx1-ubyte": idx_bytes(np.arange(30, dtype=np.uint8) % 3),
        "t10k-images-idx3-ubyte": idx_bytes(rng.integers(0, 256, (10, 4, 4), np.uint8)),
        "t10k-labels-idx1-ubyte": idx_bytes(np.arange(10, dtype=np.uint8) % 3),
    }


@pytest.fixture
def tiny(tiny_files, tmp_path, monkeypatch):
    """The tiny set in the place of mnist (all SHA-256) and of kmnist (MD5 of the gzipped files only)."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    packed = {name: gzip.compress(content, mtime=0) for name, content in tiny_files.items()}
    for name, content in packed.items():
        (folder / f"{name}.gz").write_bytes(content)
    mnist = KnownSet(
        "mnist",
        "MNIST",
        (),
        "sha256",
        tuple(
            KnownFile(name, _sha256(packed[name]), len(packed[name]), _sha256(tiny_files[name])) for name in tiny_files
        ),
        class_names=("zero", "one", "two"),
        default_validation_size=6,
    )
    md5 = [hashlib.md5(packed[name], usedforsecurity=False).hexdigest() for name in tiny_files]
    kmnist = KnownSet(
        "kmnist",
        "KMNIST",
        (),
        "md5",
        tuple(KnownFile(name, digest) for name, digest in zip(tiny_files, md5, strict=True)),
        class_names=("o", "ki", "su"),
    )

    def register(*sets: KnownSet) -> None:
        known = {one.name: one for one in sets}
        monkeypatch.setattr(loading, "KNOWN_SETS", known)
        monkeypatch.setattr(known_files, "KNOWN_SETS", known)

    register(mnist, kmnist)
    return SimpleNamespace(
        folder=folder, files=tiny_files, packed=packed, mnist=mnist, kmnist=kmnist, register=register
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
