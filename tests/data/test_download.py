import hashlib
import http.server
import io
import logging
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mnist_trainer.data import download as module
from mnist_trainer.data.download import download
from mnist_trainer.data.sources import KnownFile
from mnist_trainer.errors import DataError

CONTENT = bytes(range(256)) * 1000
FILE = KnownFile("file", packed=hashlib.sha256(CONTENT).hexdigest(), packed_bytes=len(CONTENT))
UNSIZED = KnownFile("file", packed=FILE.packed)


class Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.asked.append(kind)
        body = {
            "short": CONTENT[:-1],
            "corrupt": b"x" + CONTENT[1:],
            "long": CONTENT + b"x",
            "cut": CONTENT[:-500],
        }.get(kind, CONTENT)
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", "/good/file.gz")
            self.end_headers()
            return
        self.send_response(int(kind) if kind.isdigit() else 200)
        if kind != "unannounced":
            self.send_header("Content-Length", str(len(CONTENT) if kind == "cut" else len(body)))
        self.end_headers()
        if kind == "stalled":
            self.wfile.write(body[:10])
            self.wfile.flush()
            self.server.release.wait()
            return
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):  # a client that has seen enough hangs up
        pass


@pytest.fixture
def server():
    with Server(("127.0.0.1", 0), Mirror) as running:
        running.asked, running.release = [], threading.Event()
        running.mirror = lambda kind: f"http://127.0.0.1:{running.server_port}/{kind}/"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.release.set()
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["good", "moved", "unannounced"])
def test_a_good_mirror_s_file_lies_in_the_folder(server, tmp_path, kind):
    folder = tmp_path / "not yet there"
    assert download(FILE, "sha256", [server.mirror(kind)], folder) == server.mirror(kind)
    assert (folder / "file.gz").read_bytes() == CONTENT
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("500", "HTTP status 500"),
        ("404", "HTTP status 404"),
        ("short", "too short: 255,999 of 256,000 bytes"),
        ("cut", "too short: 255,500 of 256,000 bytes"),
        ("corrupt", "wrong SHA256"),
        ("long", "too long: more than 256,000 bytes"),
        ("stalled", "timed out after"),
    ],
)
def test_a_bad_mirror_gives_way_to_the_next(server, tmp_path, monkeypatch, caplog, kind, reason):
    whole = module.urlopen
    limit = 2  # seconds, enough for the headers on a busy machine
    monkeypatch.setattr(
        module, "urlopen", lambda url, timeout: whole(url, timeout=limit if "stalled" in url else timeout)
    )
    caplog.set_level(logging.DEBUG)
    mirrors = [server.mirror(kind), server.mirror("good")]
    assert download(FILE, "sha256", mirrors, tmp_path / "cache") == mirrors[1]
    assert (tmp_path / "cache" / "file.gz").read_bytes() == CONTENT
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert reason in caplog.text
    assert server.asked == [kind, "good"]


def test_a_file_of_unpublished_size_is_bounded_too(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="too long: more than 1,000 bytes"):
        download(UNSIZED, "sha256", [server.mirror("unannounced")], tmp_path)
    monkeypatch.setattr(module, "MAX_BYTES", 10**6)
    with pytest.raises(DataError, match="too short"):
        download(UNSIZED, "sha256", [server.mirror("cut")], tmp_path)


def test_nothing_of_a_longer_wrong_file_stays_behind_the_right_one(server, tmp_path):
    download(UNSIZED, "sha256", [server.mirror("long"), server.mirror("good")], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


def test_when_all_fail_each_reason_and_the_way_out_are_told_and_nothing_is_left(server, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DataError) as info:
            download(FILE, "sha256", [server.mirror("503"), refused, server.mirror("corrupt")], tmp_path)
    text = str(info.value)
    assert f"{server.mirror('503')}: HTTP status 503" in text
    assert f"{refused}: Connection refused" in text
    assert f"{server.mirror('corrupt')}: wrong SHA256" in text
    assert "data.root=FOLDER" in text
    assert "MNIST_ROOT" in text
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_nothing(server, tmp_path, monkeypatch):
    class Interrupted(io.BytesIO):
        length = len(CONTENT)

        def read(self, size=-1):
            if self.tell():
                raise KeyboardInterrupt
            return super().read(size)

    monkeypatch.setattr(module, "urlopen", lambda *_, **__: Interrupted(CONTENT))
    with pytest.raises(KeyboardInterrupt):
        download(FILE, "sha256", ["http://127.0.0.1/"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_not_blamed_on_the_mirrors(server, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"cache: can't be written .*data.cache=FOLDER"):
        download(FILE, "sha256", [server.mirror("good")], tmp_path / "cache")
    assert server.asked == []


def test_processes_that_download_at_once_do_not_harm_each_other(server, start, tmp_path):
    code = (
        "import sys; from pathlib import Path; from mnist_trainer.data.download import download\n"
        "from mnist_trainer.data.sources import KnownFile\n"
        "packed, size, mirror, folder = sys.argv[1:]\n"
        "download(KnownFile('file', packed, int(size)), 'sha256', [mirror], Path(folder))"
    )
    arguments = [FILE.packed, str(len(CONTENT)), server.mirror("good"), str(tmp_path)]
    command = [sys.executable, "-c", code, *arguments]
    root = Path(__file__).parents[2]
    running = [start(command, cwd=root, stderr=subprocess.PIPE) for _ in range(8)]
    errors = [process.communicate()[1] for process in running]
    assert errors == [b""] * 8  # and piped, the progress bar is silent
    assert [path.name for path in tmp_path.iterdir()] == ["file.gz"]
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
