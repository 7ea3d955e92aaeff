"""Video of a masked feed: catches a pixel under a mask in what is kept, frames that are not at their PTS, and
sound that is lost."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from operators.readers.live_stream import LiveStream, StreamConfig
from operators.readers.masked_video import MaskedVideo
from operators.readers.packet_tap import PacketTap
from operators.readers.privacy_masks import PrivacyMasks
from operators.readers.stream_packet import SOUND, RunBegins, RunPackets
from pipeline.ring.config import RingConfig
from pipeline.ring.cut import cut_of, cut_of_seconds
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


def test_the_sound_of_a_masked_feed_is_kept_and_no_packet_of_its_video(tmp_path: Path) -> None:
    path = tmp_path / "heard.ts"
    scene = f"testsrc2=size={WIDTH}x{HEIGHT}:rate=10:duration=6"
    ffmpeg(
        *f"-f lavfi -i {scene} -f lavfi -i sine=frequency=440:duration=6 -c:v libx264 -g 10 -bf 2".split(),
        *"-pix_fmt yuv420p -c:a aac -ar 48000 -ac 1".split(),
        str(path),
    )
    found: list[Tapped] = []
    tap = PacketTap(found.append)
    video = MaskedVideo(tap)
    sent: list[bytes] = []

    def take(packet: "Packet[VideoStream] | Packet[AudioStream]") -> None:
        if isinstance(packet.stream, VideoStream):
            sent.append(bytes(packet))
        video.take(packet)

    pts = []
    with LiveStream(str(path), StreamConfig(), quiet_s=0.5, masks=(MASK,), on_packet=take, with_sound=True) as stream:
        tap.sound = stream.sound
        for frame in stream.frames():
            video.add(frame)
            pts.append(frame.frame.pts)
    video.close()
    tap.flush()
    [begins] = [each for each in found if isinstance(each, RunBegins)]
    assert (begins.silent, begins.sound_base) == (None, Fraction(1, 48000))
    packets = [packet for each in found if isinstance(each, RunPackets) for packet in each.packets]
    pictures = [packet for packet in packets if packet.track != SOUND]
    assert [packet.pts for packet in pictures] == pts
    assert sent
    assert {packet.data[4:] for packet in packets}.isdisjoint(data[4:] for data in sent)  # after a start code or length

    writer = RingWriter(FEED, RingConfig(str(tmp_path / "rings"), least_free_bytes=0))
    writer.begin(begins)
    writer.bind(RECORDING, begins.run)
    for packet in packets:
        writer.add(packet)
    writer.close()
    first_s = float(pts[0] * begins.time_base)
    cut_of_seconds(tmp_path / "rings", uri=URI, source_id=RECORDING, start_s=first_s + 2.0, stop_s=first_s + 4.0).write(
        tmp_path / "cut.mp4"
    )
    with av.open(str(tmp_path / "cut.mp4")) as clip:
        sound = list(clip.decode(audio=0))
    samples = np.concatenate([each.to_ndarray().reshape(-1) for each in sound]).astype(np.float32)
    loudest_hz = np.abs(np.fft.rfft(samples)).argmax() * 48000 / len(samples)
    assert abs(loudest_hz - 440) < 2
    assert len(samples) / 48000 >= 1.85  # a picture lasts for 0.1 s, and its sound may be in the next fragment
