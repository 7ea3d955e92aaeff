"""Buckets over HTTP, served by moto in this process, for everything that finds S3 by the environment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def served_buckets(scratch: Path, *names: str) -> Iterator[Any]:
    """Yields boto's client of a store with these buckets, which the environment names until the end of the block.

    scratch: where downloads of remote files are kept.
    """
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    monkeypatch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,  # read by boto, and so by s3fs
        "AWS_ENDPOINT": endpoint,  # read by LanceDB
        "AWS_ALLOW_HTTP": "true",
        "TMPDIR": str(scratch),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", None)  # else the first TMPDIR of the process would stay in use
    store = boto3.client("s3", endpoint_url=endpoint)
    for name in names:
        store.create_bucket(Bucket=name)
    try:
        yield store
    finally:
        monkeypatch.undo()
        server.stop()
