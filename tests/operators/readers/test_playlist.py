"""Catches a playlist whose newest segment is read twice when it is reopened, or whose old segments are read as new."""

from pathlib import Path

from operators.readers.live_stream import LiveStream, StreamConfig
from schemas.clock import Span
from tests.clips import ffmpeg
from tests.live.cameras import free_port
from tests.live.web_server import web_server


def test_a_playlist_begins_with_its_newest_segment_without_the_ingested_frames(tmp_path: Path) -> None:
    """A live playlist, which has no end tag."""
    picture = "testsrc2=size=160x120:rate=10:duration=8"
    options = "-c:v libx264 -g 10 -bf 0 -pix_fmt yuv420p -f hls -hls_time 4 -hls_flags omit_endlist".split()
    ffmpeg("-f", "lavfi", "-i", picture, *options, str(tmp_path / "live.m3u8"))
    port = free_port()

    def begins(ingested: tuple[Span, ...]) -> list[int]:
        with LiveStream(
            f"http://127.0.0.1:{port}/live.m3u8", StreamConfig(), ingested_spans=lambda _: ingested
        ) as stream:
            return [frame.frame.pts for _, frame in zip(range(20), stream.frames(), strict=False)]

    with web_server(tmp_path, port):
        newest = begins(())
        assert len(newest) == 20
        assert newest[0] == begins((Span(0, newest[0]),))[0]
        assert begins((Span(newest[0] - 100_000, newest[15]),))[:5] == newest[15:]
    first, second = sorted(tmp_path.glob("*.ts"))
    with LiveStream(str(second), StreamConfig(), quiet_s=0.2) as segment:
        assert next(segment.frames()).frame.pts == newest[0]
    assert first != second
