"""The connection to Ray: catches a cluster that other machines reach, and a refusal that takes half a minute."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from pipeline.runtime.ray_session import ray_session
from schemas.errors import ClusterError
from tests.listening import descendants, listening

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_ray")]


def test_an_address_without_a_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ClusterError, match=f"no cluster answers at RAY_ADDRESS={address}"), ray_session():
            raise AssertionError("there is no cluster")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", None], ids=["http", "closed", "silent"])
def test_a_server_that_is_no_cluster_is_refused_in_seconds(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                if answer is None:
                    connection.recv(4096)  # until the other side has had enough
                else:
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ClusterError, match="is no cluster of Ray"), ray_session():
            raise AssertionError("there is no cluster")
        assert time.monotonic() - began < 20  # Ray itself tries for 40 s
        server.shutdown(socket.SHUT_RDWR)


def test_a_cluster_of_this_machine_is_reached_from_it_alone_and_refuses_other_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with ray_session(num_cpus=1):
        address = ray.get_runtime_context().gcs_address
        own = descendants(os.getpid())
        found = listening(own)
        assert len(found) >= 3, "the cluster listens"
        assert {host for host, _ in found} == {"127.0.0.1"}
        code = "from pipeline.runtime.ray_session import ray_session\nwith ray_session(): print('in')"
        told = {**os.environ, "RAY_ADDRESS": address}
        other = {**told, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "b" * 32}
        refused = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True, timeout=120)
        lines = refused.stderr.strip().splitlines()
        assert "refuses the token of this process" in lines[-1]
        assert not any("InvalidAuthToken" in line for line in lines)
        named = [sys.executable, "-c", code, os.fsdecode(b"caf\xe9.ts")]  # Ray stores the command line
        taken = subprocess.run(named, env=told, capture_output=True, text=True, timeout=120)
        assert taken.stdout == "in\n", taken.stderr
