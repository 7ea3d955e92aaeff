"""The command feeds: catches a certificate that is trusted unseen, and a feed without verification that hides it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators.readers.stream_tls import fingerprint
from pipeline.live.feeds.feed_list import FeedEntry, FeedList
from tests.certificates import certificate
from tests.conftest import Run
from tests.tls_peer import Peer

CAMERA = certificate("camera.local", subject="camera")


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Peer]:
    peer = Peer(CAMERA.write(tmp_path / "camera.pem"))
    yield peer
    peer.close()


def test_the_certificate_of_a_camera_is_trusted_as_it_is_now(called: Run, camera: Peer, tmp_path: Path) -> None:
    feeds = tmp_path / "cameras.toml"
    url = f"rtsps://me:secret@127.0.0.1:{camera.port}/stream"
    done = called("feeds", "add", "gate", url, "--feeds", feeds, "--trust-certificate")
    assert done.returncode == 0, done.stderr
    assert fingerprint(CAMERA.der) in done.stdout
    assert FeedList(feeds).read() == {"gate": FeedEntry(url, certificate=fingerprint(CAMERA.der))}
    assert f"trusts the certificate {fingerprint(CAMERA.der)[:16]}" in called("feeds", "list", "--feeds", feeds).stdout
    listed = json.loads(called("feeds", "list", "--feeds", feeds, "--json").stdout)
    assert listed["feeds"][0]["certificate"] == fingerprint(CAMERA.der)
    assert camera.sent == [], "nobody sends a password to a server that is not trusted yet"


def test_a_feed_that_is_not_verified_says_so(called: Run, tmp_path: Path) -> None:
    feeds = tmp_path / "cameras.toml"
    assert called("feeds", "add", "gate", "rtsps://host/x", "--feeds", feeds, "--no-verify").returncode == 0
    assert called("feeds", "pause", "gate", "--feeds", feeds).returncode == 0
    assert FeedList(feeds).read()["gate"] == FeedEntry("rtsps://host/x", verify=False, paused=True)
    assert "paused, its certificate is not verified" in called("feeds", "list", "--feeds", feeds).stdout


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["rtsp://host/x", "--trust-certificate"], "needs an rtsps://", 2),
        (["rtsps://host/x", "--trust-certificate", "--no-verify"], "excludes --trust-certificate", 2),
        (["rtsps://127.0.0.1:1/x", "--trust-certificate"], "Connection refused", 1),
        (["rtsps://nowhere.invalid/x", "--trust-certificate"], "no such host", 1),
    ],
)
def test_a_certificate_that_cannot_be_had_is_no_feed(
    called: Run, tmp_path: Path, words: list[str], said: str, code: int
) -> None:
    done = called("feeds", "add", "gate", *words, "--feeds", tmp_path / "f.toml")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "f.toml").exists()


def test_settings_that_contradict_each_other_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "f.toml"
    path.write_text("[feeds.gate]\nurl = 'rtsps://x'\nverify = false\ncertificate = '" + "0" * 64 + "'")
    with pytest.raises(Exception, match=r"feeds\.gate: a feed with a trusted certificate is verified"):
        FeedList(path).read()
