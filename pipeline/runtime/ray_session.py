"""Connects to Ray: to the cluster of RAY_ADDRESS, or to one that is started on this machine and ended afterwards."""

import logging
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
from ray._private import ray_constants, utils
from ray._raylet import GcsClient  # type: ignore[attr-defined]

from schemas.errors import ClusterError
from schemas.file_names import printable

_CONNECT_S = 5.0
# RFC 9113, sections 3.4 and 4.1: both sides begin with a frame of settings
_FRAME_HEADER_BYTES = 9
_SETTINGS = 4
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])


@contextmanager
def ray_session(*, num_cpus: int | None = None) -> Iterator[None]:
    """Connects to Ray for the block; a cluster that was started here ends with it.

    A cluster that is started here listens on loopback alone and has no dashboard: whoever reaches its ports runs code.
    num_cpus: of a cluster that is started here; by default all of this machine.

    Raises ClusterError where the cluster of RAY_ADDRESS cannot be reached or refuses this process.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "")
    if address:
        _require_cluster(address)
    with warnings.catch_warnings():
        # Ray forks only to start other programs, for which LanceDB's threads do not matter
        warnings.filterwarnings("ignore", "lancedb fork support", RuntimeWarning)
        warnings.filterwarnings("ignore", "lance is not fork-safe", UserWarning)
        try:
            with _loopback_kept(not address or _is_loopback(address)), _printable_command_line():
                if address:
                    ray.init(log_to_driver=False, logging_level=logging.ERROR)
                else:
                    # "local": else Ray joins whatever cluster was last started on this machine, whoever started it
                    ray.init(
                        "local",
                        num_cpus=num_cpus,
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                    )
        except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
            where = f"the cluster of RAY_ADDRESS={address} cannot be used" if address else "Ray cannot be started"
            raise ClusterError(f"{where}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _loopback_kept(kept: bool) -> Iterator[None]:
    """Lets a node have the address 127.0.0.1. Ray replaces it by one that other nodes reach, and listens on all; on
    Windows and macOS, where a cluster has one node, it does not."""
    several_nodes = ray_constants.ENABLE_RAY_CLUSTER
    if kept:
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = several_nodes


@contextmanager
def _printable_command_line() -> Iterator[None]:
    """Escapes bytes that are not UTF-8 in the command line that Ray stores of this process, which it refuses."""
    command_line: Callable[[], str] = utils.get_entrypoint_name
    utils.get_entrypoint_name = lambda: printable(command_line())
    try:
        yield
    finally:
        utils.get_entrypoint_name = command_line


def _is_loopback(address: str) -> bool:
    return address.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")


def _require_cluster(address: str) -> None:
    """Asks a cluster whether it takes this process: Ray itself tries for 20 s where a token is wrong, and for minutes
    where nobody answers, and warns every second."""
    host, _, port = address.rpartition(":")
    if "://" in address or not port.isdecimal():
        return  # a client of Ray, or `auto`
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S) as connection:
            answers = _encrypts() or _speaks_http2(connection)
    except OSError as error:
        raise ClusterError(f"no cluster answers at RAY_ADDRESS={address}: {error.strerror or error}") from None
    if not answers:
        raise ClusterError(f"what answers at RAY_ADDRESS={address} is no cluster of Ray: give the address of its GCS")
    try:
        with _quiet_backend():
            GcsClient(address=address)
    except ray.exceptions.AuthenticationError:
        raise ClusterError(
            f"the cluster of RAY_ADDRESS={address} refuses the token of this process; give it the cluster's: "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or the file ~/.ray/auth_token"
        ) from None
    except ray.exceptions.RayError as error:
        raise ClusterError(f"no cluster of Ray answers at RAY_ADDRESS={address}: {error}") from None


def _encrypts() -> bool:
    """Whether Ray's connections are TLS, within which nothing can be asked here."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether a server begins as one of HTTP/2 does. Ray's servers are of gRPC, and Ray itself tries one that speaks
    another protocol for 40 s."""
    try:
        connection.sendall(_HTTP2_PREFACE)
        answer = b""
        while len(answer) < _FRAME_HEADER_BYTES and (more := connection.recv(_FRAME_HEADER_BYTES - len(answer))):
            answer += more
    except OSError:  # it waits for more, or has closed the connection
        return False
    return len(answer) == _FRAME_HEADER_BYTES and answer[3] == _SETTINGS


@contextmanager
def _quiet_backend() -> Iterator[None]:
    """Discards what Ray's C++ part writes to standard error, which no logger of Python takes."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
