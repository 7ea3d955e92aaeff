"""Sound beside the video. Catches sound that is shifted, cannot be decoded, or is missing from a clip, and a codec that
MP4 does not hold which costs the video."""

from pathlib import Path

import av
import pytest

from deploy.pictures.clips import write_cut
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.ring.config import RingConfig
from pipeline.ring.cut import cut_of_seconds
from pipeline.ring.feed_ring import FeedRing
from pipeline.ring.writer import RingWriter
from tests.clips import ffmpeg
from tests.pipeline.ring.rings import FEED, RECORDING, URI, run_of, shown

PICTURE = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=4 -f lavfi -i sine=frequency=440:duration=4".split()
X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25".split()


def heard(path: Path) -> tuple[float, float, int]:
    """The beginning and the end of the sound of a file in seconds, and its number of samples."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        first, last = frames[0], frames[-1]
        assert first.pts is not None
        assert last.pts is not None
        assert first.time_base is not None
        start_s, stop_s = float(first.pts * first.time_base), float(last.pts * first.time_base)
        return start_s, stop_s + last.samples / last.sample_rate, sum(each.samples for each in frames)


@pytest.mark.parametrize(
    ("name", "codec"), [("aac.ts", "aac"), ("aac.mp4", "aac"), ("late.ts", "aac"), ("opus.mkv", "libopus")]
)
def test_sound_is_kept_at_its_time_and_clips_have_theirs(tmp_path: Path, name: str, codec: str) -> None:
    source = tmp_path / name
    late = ["-output_ts_offset", "95440.1"] if name == "late.ts" else []  # the clock of MPEG-TS begins again
    ffmpeg(*PICTURE, *X264, "-c:a", codec, "-ar", "48000", "-ac", "1", *late, str(source))
    begins, packets = run_of(source, sound=True)
    assert begins.silent is None
    writer = RingWriter(FEED, RingConfig(str(tmp_path / "rings"), file_s=100.0))
    writer.begin(begins)
    writer.bind(RECORDING, 0)
    for packet in packets:
        writer.add(packet)
    writer.close()
    [part] = FeedRing.of(tmp_path / "rings", FEED).parts()
    assert [picture for _, picture in shown(part.path)] == [picture for _, picture in shown(source)]
    first = shown(source)[0][0]
    shift_s = float((shown(part.path)[0][0] - first) * begins.time_base)
    was, now = heard(source), heard(part.path)
    assert now[2] == pytest.approx(was[2], abs=1024 * 3)  # what came before the first picture is omitted
    assert now[1] - shift_s == pytest.approx(was[1], abs=0.05)

    start_s = float(first * begins.time_base) + 1.5
    cut = cut_of_seconds(tmp_path / "rings", uri=URI, source_id=RECORDING, start_s=start_s, stop_s=start_s + 1.0)
    with ReaderProcess(ReadConfig(), timeout_s=60) as reader:
        write_cut(reader, cut, tmp_path / "clip.mp4", uri=URI)
    start, stop, _ = heard(tmp_path / "clip.mp4")
    assert start == pytest.approx(0.0, abs=0.05)
    assert stop == pytest.approx(1.0, abs=0.05)


def test_sound_that_mp4_does_not_hold_costs_no_video(tmp_path: Path) -> None:
    source = tmp_path / "camera.mkv"
    ffmpeg(*PICTURE, *X264, "-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1", str(source))
    begins, packets = run_of(source, sound=True)
    assert begins.silent == "an MP4 file cannot hold pcm_mulaw; let the camera send AAC"
    assert {packet.track for packet in packets} == {1}
    assert len(packets) == 100
