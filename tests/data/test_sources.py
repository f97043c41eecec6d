import string

import pytest

from mnist_trainer.data.sources import KNOWN_SETS


@pytest.mark.parametrize("known", KNOWN_SETS.values(), ids=KNOWN_SETS.keys())
def test_every_known_file_can_be_verified(known):
    length = {"sha256": 64, "md5": 32}[known.algorithm]
    checksums = [file.packed for file in known.files]
    assert all(len(checksum) == length and set(checksum) <= set(string.hexdigits) for checksum in checksums)
    assert len({file.name for file in known.files}) == len(set(checksums)) == 4
    assert all(mirror.endswith("/") for mirror in known.mirrors)
    assert len(known.class_names) == len(set(known.class_names)) == 10


def test_mnists_checksums_are_those_of_the_real_files(real_mnist):
    import hashlib

    for file in KNOWN_SETS["mnist"].files:
        content = (real_mnist / file.packed_name).read_bytes()
        assert len(content) == file.packed_bytes
        assert hashlib.sha256(content).hexdigest() == file.packed
