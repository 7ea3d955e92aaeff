"""Catches a password that gets into the lake with the address of its source."""

import pytest

from pipeline.reading.addresses import public_uri


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://me:secret@host:8080/a/b.mp4?X-Signature=abc#t", "https://host:8080/a/b.mp4"),
        ("HTTP://h/clip?id=1&X-Amz-Security-Token=t&cam=2", "HTTP://h/clip?id=1&cam=2"),
        ("http://h/clip?user=me&pwd=1&id=7", "http://h/clip?id=7"),
        ("http://h/clip?id=7;Access%5FToken=abc", "http://h/clip?id=7"),
        ("https://h/c.mp4?sv=2024&se=2026-01-01&sr=b&sig=abc%3D", "https://h/c.mp4"),  # Azure's signature
        ("https://h/c.mp4?x-oss-process=video/snapshot,t_9", "https://h/c.mp4?x-oss-process=video/snapshot,t_9"),
        ("https://h/c.mp4?se=north&sr=b", "https://h/c.mp4?se=north&sr=b"),  # the same names without one
        ("http://h/frame?src=rtsp://me:secret@cam/1", "http://h/frame?src=rtsp://cam/1"),
        ("http://h/frame?src=rtsp%3A%2F%2Fme%3Asecret%40cam%2F1", "http://h/frame?src=rtsp%3A%2F%2Fcam%2F1"),
        ("http://me:secret@[::1]/a.mp4?token=abc", "http://[::1]/a.mp4"),
        ("http://me:secret@[bad/a.mp4?token=abc", "http://[bad/a.mp4"),
        ("zip://a.mp4::https://me:secret@h/a.zip?sig=abc", "zip://a.mp4::https://h/a.zip"),
        ("s3://bucket/key with space.mp4", "s3://bucket/key with space.mp4"),
        ("s3://b/cam#1/a?x&token=1.mp4", "s3://b/cam#1/a?x&token=1.mp4"),
        ("ftp://me:secret@host/a@b.mp4", "ftp://host/a@b.mp4"),
        ("abfs://box@account.dfs.core.windows.net/a.mp4", "abfs://box@account.dfs.core.windows.net/a.mp4"),
        ("/data/odd?name@x.mp4", "/data/odd?name@x.mp4"),
    ],
)
def test_stored_uris_hold_no_credentials(address: str, shown: str) -> None:
    assert public_uri(address) == shown
