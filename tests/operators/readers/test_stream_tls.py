"""TLS of streams against real servers: catches frames or passwords that go to a server with another's certificate."""

import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operators.readers.live_stream import LiveStream, StreamConfig
from operators.readers.stream_tls import TlsConfig, fingerprint, server_certificate
from schemas.errors import InvalidValueError, SourceError
from tests.certificates import Certificate, certificate
from tests.clips import ffmpeg
from tests.tls_peer import Peer
from tests.web import Web, serving

AUTHORITY = certificate(subject="authority")
GOOD = certificate("localhost", "127.0.0.1", issuer=AUTHORITY)
OTHER = certificate("other.example", issuer=AUTHORITY)
EXPIRED = certificate("localhost", "127.0.0.1", issuer=AUTHORITY, days=(-30, -1))
CAMERA = certificate("camera.local", subject="camera")  # signs itself, and is reached by its address
NEW_CAMERA = certificate("camera.local", subject="camera")
OLD_CAMERA = certificate("camera.local", days=(-30, -1))
SCHEMES = ["rtsps", "rtmps", "https"]


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(AUTHORITY.write(tmp_path_factory.mktemp("authority") / "ca.pem", with_key=False))


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Callable[[Certificate], Peer]]:
    peers: list[Peer] = []

    def start(of: Certificate) -> Peer:
        peers.append(Peer(of.write(tmp_path / f"{len(peers)}.pem")))
        return peers[-1]

    yield start
    for each in peers:
        each.close()


def opened(scheme: str, port: int, tls: TlsConfig, ca_file: str = "") -> str:
    """Why a stream cannot be opened: none of these servers sends a video."""
    config = StreamConfig(ca_file=ca_file, open_timeout_s=20.0)
    with pytest.raises(SourceError) as caught:
        LiveStream(f"{scheme}://me:secret@127.0.0.1:{port}/live.m3u8", config, tls=tls)
    assert "secret" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(
    peer: Callable[[Certificate], Peer], scheme: str, ca_file: str
) -> None:
    for of, said in ((OTHER, "mismatch"), (EXPIRED, "expired"), (CAMERA, "self-signed")):
        server = peer(of)
        assert re.search(
            rf"the certificate of 127\.0\.0\.1 is not trusted: .*{said}",
            opened(scheme, server.port, TlsConfig(), ca_file),
        )
        assert server.sent == []
    server = peer(GOOD)
    assert "not trusted" in opened(scheme, server.port, TlsConfig())  # the machine does not know the authority
    assert server.sent == []
    opened(scheme, server.port, TlsConfig(), ca_file)
    assert server.sent


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_pinned_certificate_is_the_only_one_that_is_accepted(
    peer: Callable[[Certificate], Peer], scheme: str, ca_file: str
) -> None:
    pinned = TlsConfig(certificate=fingerprint(CAMERA.der))
    camera = peer(CAMERA)
    opened(scheme, camera.port, pinned)
    assert camera.sent
    for of in (NEW_CAMERA, GOOD):
        server = peer(of)
        reason = opened(scheme, server.port, pinned, ca_file)
        assert f"is another one: its SHA-256 is {fingerprint(of.der)}" in reason
        assert "--trust-certificate" in reason
        assert server.sent == []


def test_an_expired_certificate_can_be_pinned_for_a_playlist_alone(peer: Callable[[Certificate], Peer]) -> None:
    pinned = TlsConfig(certificate=fingerprint(OLD_CAMERA.der))
    server = peer(OLD_CAMERA)
    opened("https", server.port, pinned)
    assert len(server.sent) == 1
    assert "expired" in opened("rtsps", server.port, pinned)
    assert len(server.sent) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_verification_can_be_switched_off(peer: Callable[[Certificate], Peer], scheme: str) -> None:
    server = peer(EXPIRED)
    opened(scheme, server.port, TlsConfig(verify=False))
    assert server.sent


def test_ffmpeg_verifies_too_where_another_server_takes_the_place_after_the_check(
    peer: Callable[[Certificate], Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = peer(CAMERA), peer(NEW_CAMERA)
    from operators.readers import stream_tls

    monkeypatch.setattr(stream_tls, "_connected", _connected_to(first.port, stream_tls._connected))
    pinned = TlsConfig(certificate=fingerprint(CAMERA.der))
    for scheme in SCHEMES:
        opened(scheme, second.port, pinned)
    assert second.sent == []


def _connected_to(port: int, connected: Callable[..., object]) -> Callable[..., object]:
    """Whoever checks a server is led to another one than FFmpeg."""
    return lambda address, context, **settings: connected(re.sub(r":\d+/", f":{port}/", address), context, **settings)


@pytest.fixture(scope="module")
def hls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playlist of three seconds, and its segments."""
    folder = tmp_path_factory.mktemp("hls")
    source = "testsrc2=size=160x120:rate=10:duration=3"
    ffmpeg(*f"-f lavfi -i {source} -c:v libx264 -g 10 -f hls -hls_time 1 -hls_list_size 0 {folder}/live.m3u8".split())
    return folder


def secured(folder: Path, of: Certificate, pem: Path) -> Web:
    """A web server with a certificate."""
    web = Web(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(of.write(pem))
    web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    web.url = web.url.replace("http://", "https://")
    return web


def test_frames_of_a_playlist_come_from_a_server_that_is_trusted(hls: Path, tmp_path: Path, ca_file: str) -> None:
    with serving(secured(hls, GOOD, tmp_path / "good.pem")) as web:
        with LiveStream(f"{web.url}/live.m3u8", StreamConfig(ca_file=ca_file)) as stream:
            assert sum(1 for _ in stream.frames()) >= 10
        pinned = TlsConfig(certificate=fingerprint(server_certificate(f"{web.url}/live.m3u8", timeout_s=20.0)))
        assert pinned.certificate == fingerprint(GOOD.der)
        with LiveStream(f"{web.url}/live.m3u8", StreamConfig(), tls=pinned) as stream:
            assert sum(1 for _ in stream.frames()) >= 10


@pytest.mark.parametrize("target", ["another certificate", "http"])
def test_segments_elsewhere_are_verified_as_well(hls: Path, tmp_path: Path, ca_file: str, target: str) -> None:
    elsewhere = Web(hls) if target == "http" else secured(hls, OTHER, tmp_path / "other.pem")
    lists = tmp_path / "lists"
    lists.mkdir()
    with serving(elsewhere), serving(secured(lists, GOOD, tmp_path / "good.pem")) as web:
        text = (hls / "live.m3u8").read_text()
        (lists / "live.m3u8").write_text(re.sub(r"(?m)^live", f"{elsewhere.url}/live", text))
        with pytest.raises(SourceError, match=r"not trusted|leads to http://, which is not verified"):
            LiveStream(f"{web.url}/live.m3u8", StreamConfig(ca_file=ca_file))
    assert elsewhere.asked == []


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="64 small hexadecimal digits"):
        TlsConfig(certificate="AB:CD")
    with pytest.raises(InvalidValueError, match="omit certificate or verify"):
        TlsConfig(certificate="0" * 64, verify=False)
    with pytest.raises(SourceError, match=r"absent\.pem is not there"):
        LiveStream("rtsps://127.0.0.1:9/x", StreamConfig(ca_file=str(tmp_path / "absent.pem")))


def test_a_confined_process_verifies_too(peer: Callable[[Certificate], Peer], ca_file: str) -> None:
    code = (
        "import sys; from operators.readers.stream_tls import *; from operators.readers.live_stream import *\n"
        "from operators.sandbox.confinement import *\n"
        "config = StreamConfig(ca_file=sys.argv[1])\n"
        "confine(Confinement(readable=(authorities_of(TlsConfig(ca_file=sys.argv[1])),), network='out'))\n"
        "for address, certificate in zip(sys.argv[2::2], sys.argv[3::2]):\n"
        "    try: LiveStream(address, config, tls=TlsConfig(certificate=certificate or None))\n"
        "    except SourceError as error: print(error)\n"
    )
    expected: list[tuple[Peer, bool]] = []
    words = [ca_file]
    for of, pinned, taken in ((CAMERA, CAMERA, True), (CAMERA, NEW_CAMERA, False), (GOOD, None, True)):
        for scheme in SCHEMES:
            server = peer(of)
            expected.append((server, taken))
            words += [f"{scheme}://127.0.0.1:{server.port}/live.m3u8", fingerprint(pinned.der) if pinned else ""]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120)
    assert len(done.stdout.splitlines()) == len(expected), done.stderr
    assert [bool(server.sent) for server, _ in expected] == [taken for _, taken in expected], done.stdout
