"""Frames over RTSP with TLS from GStreamer's server: catches a camera that is followed only without verification."""

from itertools import islice
from pathlib import Path

import pytest

from operators.readers.live_stream import LiveStream, StreamConfig
from operators.readers.stream_tls import TlsConfig, fingerprint, server_certificate
from schemas.errors import SourceError
from tests.certificates import certificate
from tests.clips import synthetic
from tests.live.cameras import rtsp_server


def test_a_camera_with_a_certificate_of_its_own_is_followed_once_it_is_trusted(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    synthetic(tmp_path / "films" / "gate.mp4")
    camera = certificate("camera.local", subject="camera")
    with rtsp_server(tmp_path / "films", pem=camera.write(tmp_path / "camera.pem")) as server:
        with pytest.raises(SourceError, match="not trusted"):
            LiveStream(server.url("gate"), StreamConfig())
        presented = fingerprint(server_certificate(server.url("gate"), timeout_s=20.0))
        assert presented == fingerprint(camera.der)
        with LiveStream(server.url("gate"), StreamConfig(), tls=TlsConfig(certificate=presented)) as stream:
            assert len(list(islice(stream.frames(), 10))) == 10
