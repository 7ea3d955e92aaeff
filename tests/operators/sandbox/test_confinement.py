"""Catches a confined process that opens, writes, reaches or takes what it should not, or lacks what decoding needs."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from operators.sandbox.confinement import unsupported
from operators.sandbox.landlock import landlock_version
from operators.sandbox.seccomp import supports_seccomp

ROOT = Path(__file__).parents[3]
complete = pytest.mark.skipif(bool(unsupported()), reason="this kernel cannot confine a process")

ATTEMPTS = """
import ctypes, json, os, resource, socket, sys, threading
import numpy as np
from operators.sandbox.confinement import Confinement, confine

private, allowed, folder, port, network = sys.argv[1:]
given = os.open(private, os.O_RDONLY)
missing = confine(Confinement(readable=(allowed,), memory_bytes=2**28, network=network))

def thread():
    said = []
    each = threading.Thread(target=lambda: said.append(open(private).read()))
    threading.excepthook = lambda _: None
    each.start()
    each.join()
    return said[0]

def renamed():
    os.rename(private, private + "2")

def killed():
    os.kill(os.getppid(), 0)

def signalled():
    threading_kill = ctypes.CDLL(None, use_errno=True).syscall(234 if os.uname().machine == "x86_64" else 131,
        os.getppid(), os.getppid(), 0)
    if threading_kill:
        raise PermissionError(ctypes.get_errno())

attempts = {
    "read private": lambda: open(private).read(),
    "read private in a thread": thread,
    "read given": lambda: os.pread(given, 6, 0).decode(),
    "read allowed": lambda: open(allowed).read(),
    "list": lambda: os.listdir(folder),
    "write": lambda: open(os.path.join(folder, "new"), "w"),
    "write allowed": lambda: open(allowed, "a"),
    "truncate": lambda: os.truncate(allowed, 0),
    "rename": renamed,
    "unlink": lambda: os.unlink(private),
    "chmod": lambda: os.chmod(private, 0o777),
    "times": lambda: os.utime(private),
    "link": lambda: os.link(private, private + "3"),
    "tcp": lambda: socket.create_connection(("127.0.0.1", int(port)), timeout=20).close(),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
    "unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "fork": os.fork,
    "run": lambda: os.execv("/bin/true", ["true"]),
    "kill": killed,
    "signal a thread": signalled,
    "memory": lambda: np.ones(2**29, np.uint8).sum(),
    "some memory": lambda: int(np.ones(2**26, np.uint8).sum()),
    "unlimited": lambda: resource.setrlimit(resource.RLIMIT_DATA, (-1, -1)),
    "anonymous file": lambda: os.memfd_create("x"),
    "import": lambda: __import__("decimal").__name__,
    "threads": lambda: [t.start() for t in [threading.Thread(target=int) for _ in range(8)]] and None,
    "files": lambda: [os.dup(given) for _ in range(200)],
}
found = {}
for name, attempt in attempts.items():
    try:
        found[name] = attempt() or True
    except BaseException as error:
        found[name] = type(error).__name__
print(json.dumps([missing, {k: v if isinstance(v, (str, int)) else True for k, v in found.items()}]))
"""


def attempted(folder: Path, *, network: str) -> dict[str, object]:
    (folder / "private").write_text("secret")
    (folder / "allowed").write_text("open")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        names = [str(folder / "private"), str(folder / "allowed"), str(folder), str(port), network]
        done = subprocess.run(
            [sys.executable, "-c", ATTEMPTS, *names],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        )
    assert done.returncode == 0, done.stderr
    missing, found = json.loads(done.stdout)
    assert missing == []
    assert (folder / "private").read_text() == "secret"
    assert (folder / "allowed").read_text() == "open"
    assert sorted(each.name for each in folder.iterdir()) == ["allowed", "private"]
    return dict(found)


ALWAYS = {
    "read given": "secret",
    "read allowed": "open",
    "some memory": 2**26,
    "import": "decimal",
    "threads": True,
}


@complete
def test_a_confined_process_has_the_files_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    found = attempted(tmp_path, network="none")
    assert {name: said for name, said in found.items() if not str(said).endswith("Error")} == ALWAYS
    assert found["read private"] == found["write"] == found["tcp"] == found["unix"] == "PermissionError"
    assert found["memory"] == "MemoryError"


@complete
def test_a_feed_reaches_the_network_and_has_the_same_limits_otherwise(tmp_path: Path) -> None:
    found = attempted(tmp_path, network="out")
    allowed = {name: said for name, said in found.items() if not str(said).endswith("Error")}
    assert allowed == {**ALWAYS, "tcp": True, "udp": True}


def test_what_a_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.sandbox.confinement.landlock_version", lambda: 0)
    monkeypatch.setattr("operators.sandbox.confinement.supports_seccomp", lambda: False)
    files, sockets = unsupported()
    assert "Landlock" in files
    assert "seccomp" in sockets


def test_this_kernel_answers_what_it_supports() -> None:
    assert landlock_version() >= 0
    assert isinstance(supports_seccomp(), bool)
