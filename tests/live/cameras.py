"""Cameras for tests, which can fail: GStreamer's RTSP server with real clips, and ffmpeg's MPEG-TS over UDP."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clips import ffmpeg
from tests.live.bound import bound
from tests.live.faults.network import Network

SYSTEM_PYTHON = "/usr/bin/python3"  # only Debian's Python has the binding to GStreamer
_SERVER = Path(__file__).parent / "rtsp_server.py"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def film(path: Path, clip: Path, *, loops: int = 0, size: str | None = None) -> Path:
    """Encodes a clip like a camera: H.264, 10 frames a second, a sync point each second, played loops + 1 times."""
    scale = [] if size is None else ["-vf", f"scale={size}"]
    once = path.with_suffix(".once.mp4")
    x264 = "-c:v libx264 -preset veryfast -tune zerolatency -g 10 -r 10 -pix_fmt yuv420p -an".split()
    ffmpeg("-i", str(clip), *scale, *x264, str(once))
    ffmpeg("-stream_loop", str(loops), "-i", str(once), "-c", "copy", str(path))
    once.unlink()
    return path


class RtspServer:
    """Serves every NAME.mp4 of a folder as `url(NAME)`, to each client from its beginning, in real time.

    place: the network of the server; None for that of the machine. pem: a certificate with its key, for rtsps.
    """

    def __init__(self, folder: Path, place: Network | None = None, *, pem: Path | None = None) -> None:
        self._pem = pem
        self.port = free_port()
        self._host = "127.0.0.1" if place is None else place.host
        self._inside = [] if place is None else place.command
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def url(self, name: str) -> str:
        return f"{'rtsp' if self._pem is None else 'rtsps'}://{self._host}:{self.port}/{name}"

    def start(self) -> None:
        command = [*self._inside, SYSTEM_PYTHON, str(_SERVER), self._host, str(self.port), str(self._folder)]
        command += [] if self._pem is None else [str(self._pem)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._process = subprocess.Popen(bound(command), stdout=subprocess.PIPE, text=True, env=environment)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def send(self, number: signal.Signals) -> None:
        """SIGSTOP leaves its connections half-open; after SIGCONT it continues."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextmanager
def rtsp_server(folder: Path, place: Network | None = None, *, pem: Path | None = None) -> Iterator[RtspServer]:
    """Runs the server; fails the test with a clear message if its Debian packages are missing."""
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run(
            [SYSTEM_PYTHON, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"],
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.fail(
            "GStreamer's RTSP server is not installed; apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi "
            "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad glib-networking"
        )
    server = RtspServer(folder, place, pem=pem)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def udp_camera(port: int, *, size: str = "320x240") -> Iterator[subprocess.Popen[bytes]]:
    """MPEG-TS of a moving test picture, ten frames a second, to a UDP port of this machine."""
    tool = shutil.which("ffmpeg") or pytest.fail("ffmpeg is not installed; apt-get install ffmpeg")
    picture = f"testsrc2=size={size}:rate=10"
    options = "-c:v libx264 -preset ultrafast -tune zerolatency -g 10 -pix_fmt yuv420p -f mpegts".split()
    target = f"udp://127.0.0.1:{port}?pkt_size=1316"
    camera = subprocess.Popen(
        bound([tool, "-v", "error", "-re", "-f", "lavfi", "-i", picture, *options, target]), stdin=subprocess.DEVNULL
    )
    try:
        yield camera
    finally:
        camera.kill()
        camera.wait()
