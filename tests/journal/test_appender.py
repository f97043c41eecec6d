"""Lines on a disk that is full for a while: none is lost, none is there twice, and none is there by half."""

import errno
import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist_trainer.journal import appender
from mnist_trainer.journal.appender import Appender


@pytest.fixture
def opened(tmp_path):
    descriptor = os.open(tmp_path / "lines", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield Appender(descriptor, "lines"), tmp_path / "lines"
    os.close(descriptor)


@pytest.fixture
def limited():
    """Let no file grow beyond so many bytes: with the kernel's own short writes and errors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))

    yield limit
    limit(None)


def test_lines_wait_until_there_is_space_and_half_a_line_is_never_left(opened, limited):
    lines, path = opened
    lines.append(b"one\n")
    limited(10)
    for line in (b"two\n", b"three\n", b"four\n"):  # the second is written by half, and cut off
        lines.append(line)
        assert path.read_bytes() == b"one\ntwo\n"
    assert lines.failure.errno == errno.EFBIG
    assert lines.failure.filename == "lines"
    with pytest.raises(OSError, match="lines"):
        lines.sync()
    limited(None)
    lines.append(b"five\n")
    assert path.read_bytes() == b"one\ntwo\nthree\nfour\nfive\n"
    assert (lines.failure, lines.waiting) == (None, b"")
    lines.sync()


class Disk:
    """Writes with as much space as it is given; the rest of a write that doesn't fit raises, as the kernel does."""

    def __init__(self):
        self.space, self.write = 0, os.write

    def __call__(self, descriptor, data):
        if not self.space:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self.write(descriptor, data[: self.space])
        self.space -= written
        return written


@given(st.lists(st.tuples(st.binary(max_size=12), st.integers(0, 15)), max_size=12))
def test_with_any_space_at_any_time_the_file_holds_the_first_lines_whole(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("disk") / "lines"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines, disk, told = Appender(descriptor, "lines"), Disk(), b""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appender.os, "write", disk)
        for content, space in steps:
            disk.space = space
            line = content.replace(b"\n", b"") + b"\n"
            told += line
            lines.append(line)
            there = path.read_bytes()
            assert told == there + lines.waiting
            assert there[-1:] in (b"", b"\n")
        disk.space = 10**6
        lines.try_again()
    os.close(descriptor)
    assert path.read_bytes() == told


def test_a_write_that_a_signal_broke_off_after_it_was_done_is_not_done_twice(opened, monkeypatch):
    lines, path = opened

    def interrupted(descriptor, data):
        write(descriptor, data)
        raise KeyboardInterrupt

    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(appender.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lines.append(b"one\n")
    lines.append(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
