"""A cluster of Ray's: two nodes on this machine, of which the second has a host's name and a folder of its own."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress

import pytest

SECOND = "second-node"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
SMALL = ["--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats", "--block"]
TRIES = 5


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def namespace():
    """What gives a command a host's name of its own, and mounts of its own; skips the test where it can't be had."""
    command = ["unshare", "--uts", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("a second host's name can't be had here: unshare --uts is not permitted")
    return command


@contextmanager
def ray_cluster(folder, *, hide=None, **variables):
    """Run the two nodes, and give the environment of commands that join them; `hide` is a folder that one hasn't."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    own = namespace()
    address = f"127.0.0.1:{free_port()}"
    token = folder / "token"
    token.write_text(secrets.token_hex(32))
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "MNIST_TRAINER_"))}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_ADDRESS": address, **variables}
    temporary = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # sockets lie in it, whose paths have to be short
    port = address.rpartition(":")[2]
    head = [*RAY, "start", "--head", "--port", port, "--include-dashboard", "false", "--node-ip-address", "127.0.0.1"]
    head += ["--ray-client-server-port", str(free_port()), "--temp-dir", temporary, *SMALL]
    second = [*RAY, "start", "--address", address, "--node-ip-address", "127.0.0.2", *SMALL]
    covered = [f"mount -t tmpfs none {hide}"] if hide else []
    inside = " && ".join([f"hostname {SECOND}", *covered, 'exec "$@"'])
    nodes = []
    try:
        for name, command in (("first", head), ("second", [*own, "bash", "-c", inside, "-", *second])):
            nodes.append(node(folder / name, command, environment))
        yield environment
    finally:
        for each in reversed(nodes):
            end(each)
        shutil.rmtree(temporary, ignore_errors=True)


def node(folder, command, environment):
    """Start a node; on a busy machine it takes longer than Ray allows, and is tried again."""
    folder.mkdir()
    for _ in range(TRIES):
        with (folder / "ray.log").open("w") as output:
            streams = {"stdout": output, "stderr": output, "start_new_session": True}
            started = subprocess.Popen(command, cwd=folder, env=environment, **streams)
        while started.poll() is None:
            if "Ray runtime started" in (folder / "ray.log").read_text():
                return started
            time.sleep(0.1)
        end(started)
    pytest.fail(f"a node of Ray's did not start:\n{(folder / 'ray.log').read_text()}")


def end(started):
    """Let a node end its processes, and then see to it."""
    started.terminate()
    with suppress(subprocess.TimeoutExpired):
        started.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    started.wait()
