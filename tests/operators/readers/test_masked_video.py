"""Video of a masked feed: catches a pixel under a mask in what is kept, and frames that are not at their PTS."""

from pathlib import Path

import av
import cv2
import numpy as np

from operators.readers.live_stream import LiveStream, StreamConfig
from operators.readers.masked_video import MaskedVideo
from operators.readers.packet_tap import PacketTap
from operators.readers.privacy_masks import PrivacyMasks
from operators.readers.stream_packet import RunBegins, RunPackets
from pipeline.ring.config import RingConfig
from pipeline.ring.cut import cut_of
from pipeline.ring.writer import RingWriter
from schemas.clock import Span
from schemas.zones import Zone
from tests.clips import ffmpeg
from tests.pipeline.ring.rings import FEED, RECORDING, URI, Tapped

MASK = Zone.parse("0.5,0.2,1,0.75")
WIDTH, HEIGHT = 162, 122


def film(path: Path, hidden: str) -> Path:
    """A clip without loss, of an odd size; under the mask something moves, or nothing does."""
    scene = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=10:duration=6[a];{hidden}[b];[a][b]overlay=82:26"
    ffmpeg("-filter_complex", scene, *"-c:v libx264 -qp 0 -g 10 -pix_fmt yuv420p".split(), str(path))
    return path


def encoded(path: Path) -> tuple[list[Tapped], list[int]]:
    """The messages about the masked video of a clip, and the PTS of its frames."""
    found: list[Tapped] = []
    tap = PacketTap(found.append)
    video = MaskedVideo(tap)
    pts = []
    with LiveStream(str(path), StreamConfig(), quiet_s=0.5, masks=(MASK,)) as stream:
        for frame in stream.frames():
            video.add(frame)
            pts.append(frame.frame.pts)
            assert tap.run_of(frame.frame.pts) == 0  # known at once: recordings are bound to runs by it
    video.close()
    tap.flush()
    return found, pts


def test_what_is_kept_does_not_depend_on_what_is_under_a_mask(tmp_path: Path) -> None:
    inside = "80x90:rate=10"
    loud, pts = encoded(film(tmp_path / "loud.ts", f"mandelbrot=size={inside},trim=duration=6,crop=64:60"))
    black, _ = encoded(film(tmp_path / "black.ts", "color=black:size=64x60:rate=10:duration=6"))
    begins = [each for each in loud if isinstance(each, RunBegins)]
    assert [each.codec for each in begins] == ["h264"]
    packets, same = (
        [packet for each in messages if isinstance(each, RunPackets) for packet in each.packets]
        for messages in (loud, black)
    )
    assert packets == same
    assert [packet.pts for packet in packets] == pts
    assert sum(packet.is_sync for packet in packets) >= 3

    writer = RingWriter(FEED, RingConfig(str(tmp_path / "rings"), least_free_bytes=0))
    writer.begin(begins[0])
    writer.bind(RECORDING, begins[0].run)
    for packet in packets:
        writer.add(packet)
    writer.close()
    cut = cut_of(tmp_path / "rings", uri=URI, source_id=RECORDING, span=Span(pts[0], pts[-1] + 1))
    cut.write(tmp_path / "cut.mp4")
    with av.open(str(tmp_path / "cut.mp4")) as clip:
        shown = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    assert len(shown) == len(pts) == 60
    area = PrivacyMasks((MASK,)).plane(HEIGHT, WIDTH)
    within = cv2.erode(area.astype(np.uint8), np.ones((33, 33), np.uint8)).astype(bool)  # H.264 blurs edges
    for image in shown:
        assert image[within].max() < 24
        assert np.median(image[area]) < 4
        assert image.any(axis=2).mean() > 0.5
