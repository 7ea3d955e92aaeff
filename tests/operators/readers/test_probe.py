"""Catches a source that is mistaken for something else, mistimed, or refused without a reason."""

import os
import subprocess
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from operators.readers.probe import probe
from schemas.clock import Span
from schemas.errors import SourceError
from tests.clips import Clips, ffmpeg, ffprobe_pts


def test_a_clip_is_described_as_it_is_shown(clips: Clips) -> None:
    source = probe(str(clips("late_start.mp4")), uri="/camera/1.mp4")
    assert (source.uri, source.kind, source.codec) == ("/camera/1.mp4", "video", "h264")
    assert source.clock.time_base == Fraction(1, 12800)
    assert source.clock.seconds(source.span.start) == pytest.approx(12.345, abs=1e-3)
    assert source.clock.seconds(source.span.stop) == pytest.approx(16.345, abs=1e-3)
    assert (source.width_px, source.height_px, source.frame_rate) == (160, 120, 25.0)
    assert source.sync_pts[0] == source.span.start


def test_sync_points_are_the_key_pictures_of_ffprobe_at_most_one_a_second(clips: Clips) -> None:
    path = clips("b_frames.mp4")
    command = ["ffprobe", "-v", "error", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", str(path)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    keys = [int(line.split(",")[0]) for line in out.split() if "K" in line]
    source = probe(str(path), uri="x")
    assert set(source.sync_pts) <= set(keys)
    assert len(source.sync_pts) == 4
    intra = probe(str(clips("intra.mkv")), uri="x")
    assert len(intra.sync_pts) == 4  # of 100 key pictures


def test_the_same_bytes_are_the_same_source_wherever_they_lie(clips: Clips, tmp_path: Path) -> None:
    copy = tmp_path / "other name.bin"
    copy.write_bytes(clips("plain.mp4").read_bytes())
    first, second = probe(str(clips("plain.mp4")), uri="a"), probe(str(copy), uri="b")
    assert first.id == second.id
    assert len(first.id) == 32
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert probe(str(copy), uri="b").id != first.id


def test_the_recording_time_comes_from_the_container_or_from_who_asks(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "dated.mp4"
    created = "2024-02-29T12:00:00.000000Z"
    ffmpeg("-i", str(clips("plain.mp4")), "-c", "copy", "-metadata", f"creation_time={created}", str(path))
    source = probe(str(path), uri="x")
    assert source.clock.utc(source.span.start) == datetime(2024, 2, 29, 12, tzinfo=UTC)
    given = datetime(2020, 1, 1, tzinfo=UTC)
    late = probe(str(clips("late_start.mp4")), uri="x", start_time=given)
    assert late.clock.utc(late.span.start) == given  # of the first frame, not of PTS 0
    assert probe(str(clips("plain.mp4")), uri="x").clock.start_time is None


def test_a_clock_that_was_never_set_tells_no_recording_time(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "epoch.mp4"
    created = "1970-01-01T00:00:00Z"
    ffmpeg("-i", str(clips("plain.mp4")), "-c", "copy", "-metadata", f"creation_time={created}", str(path))
    assert probe(str(path), uri="x").clock.start_time is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_picture_is_known_by_its_bytes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "picture.mp4"
    Image.new("RGB", (40, 30), "red").save(path, format=kind)
    source = probe(str(path), uri="x")
    assert (source.kind, source.span, source.sync_pts) == ("picture", Span(0, 1), (0,))
    assert (source.width_px, source.height_px, source.codec) == (40, 30, kind.lower())


def test_a_picture_lying_on_its_side_has_its_shown_size(tmp_path: Path) -> None:
    picture, exif = Image.new("RGB", (40, 30)), Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "p.jpg", exif=exif)
    source = probe(str(tmp_path / "p.jpg"), uri="x")
    assert (source.width_px, source.height_px) == (30, 40)


def write_bad(folder: Path, clips: Clips) -> dict[str, tuple[Path, str]]:
    """Files that must be refused, with a word that the reason must contain."""
    good = clips("plain.mp4")
    bad = {
        "text": ("this is not a video\n" * 100, "cannot be read as a video"),
        "empty": ("", "empty"),
        "playlist": (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{good}\n#EXT-X-ENDLIST\n",
            "cannot be read as a video",
        ),
        "concat": (f"ffconcat version 1.0\nfile '{good}'\n", "cannot be read as a video"),
    }
    files = {}
    for name, (text, reason) in bad.items():
        path = folder / f"{name}.mp4"
        path.write_text(text)
        files[name] = (path, reason)
    audio = folder / "audio.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", str(audio))
    files["audio"] = (audio, "only audio")
    cover = folder / "cover.m4a"
    Image.new("RGB", (32, 32)).save(folder / "cover.png")
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=duration=1", "-i", str(folder / "cover.png"), "-map", "0", "-map", "1"),
        *("-c:v", "png", "-disposition:v", "attached_pic", "-f", "ipod", str(cover)),
    )
    files["cover"] = (cover, "holds no video")
    cut = folder / "cut.mp4"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])  # its index was at the end
    files["cut"] = (cut, "cannot be read as a video")
    bare = folder / "bare.h264"
    ffmpeg("-i", str(good), "-c", "copy", str(bare))
    files["bare"] = (bare, "no timestamps")
    header = folder / "header.mp4"
    ffmpeg("-i", str(good), "-c", "copy", "-movflags", "empty_moov+frag_keyframe", str(header))
    header.write_bytes(header.read_bytes().split(b"moof")[0][:-4])
    files["header"] = (header, "no frame")
    files["missing"] = (folder / "missing.mp4", "does not exist")
    files["folder"] = (folder, "folder")
    os.mkfifo(folder / "pipe.mp4")
    files["pipe"] = (folder / "pipe.mp4", "not a regular file")
    return files


def test_each_bad_file_is_refused_with_its_reason(clips: Clips, tmp_path: Path) -> None:
    for name, (path, reason) in write_bad(tmp_path, clips).items():
        with pytest.raises(SourceError) as error:
            probe(str(path), uri=name)
        assert reason in str(error.value), name
        assert str(path) in str(error.value), name


def test_a_file_that_may_not_be_read_says_so(clips: Clips, tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(clips("plain.mp4").read_bytes())
    path.chmod(0)
    me = os.geteuid()
    if me == 0:  # root may read everything, nobody may not
        os.seteuid(65534)
    try:
        with pytest.raises(SourceError, match="permission denied"):
            probe(str(path), uri="x")
    finally:
        os.seteuid(me)


def test_a_name_with_a_protocol_or_a_pattern_in_it_is_a_name(clips: Clips, tmp_path: Path) -> None:
    for name in ("concat:a|b.mp4", "frame%03d.mp4", "a file.mp4"):
        path = tmp_path / name
        path.write_bytes(clips("plain.mp4").read_bytes())
        assert probe(str(path), uri="x").kind == "video"


def test_a_clip_that_breaks_off_keeps_the_end_it_announces(clips: Clips, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    ffmpeg("-i", str(clips("plain.mp4")), "-c", "copy", "-movflags", "faststart", str(whole))
    for good in (whole, clips("mpeg4.avi"), clips("late_start.mkv")):
        cut = tmp_path / f"cut{good.suffix}"
        cut.write_bytes(good.read_bytes()[: int(good.stat().st_size * 0.6)])
        expected = probe(str(good), uri="x")
        assert abs(probe(str(cut), uri="x").span.stop - expected.span.stop) <= 1, good.suffix


def test_leading_frames_that_cannot_be_decoded_are_no_part_of_the_span(clips: Clips, tmp_path: Path) -> None:
    """A recording that was switched on between two sync points."""
    path = tmp_path / "late.ts"
    data = clips("transport.ts").read_bytes()
    packet = 188
    tables = data[: 3 * packet]
    path.write_bytes(tables + data[len(data) // 3 // packet * packet :])
    source = probe(str(path), uri="x")
    assert source.span.start in ffprobe_pts(clips("transport.ts"))
    assert source.span.start > probe(str(clips("transport.ts")), uri="x").span.start


def test_probing_reads_no_pixels_of_a_noise_file(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(1).bytes(200_000))
    with pytest.raises(SourceError):
        probe(str(path), uri="x")


@pytest.mark.parametrize("name", ["plain.mp4", "h264_b_frames.avi"])
def test_a_video_is_scanned_with_progress_all_along(clips: Clips, name: str) -> None:
    """Scans the packets; if they have no times (AVI with reordered pictures), decodes the frames."""
    path = clips(name)
    mebibytes = -(-path.stat().st_size // 2**20)  # reported while the bytes are hashed
    beats: list[int] = []
    probe(str(path), uri="x", on_progress=lambda: beats.append(1))
    assert len(beats) - mebibytes >= 3  # of 100 frames


def test_the_search_for_a_first_whole_frame_tells_its_progress(clips: Clips, tmp_path: Path) -> None:
    """A long recording may be damaged from end to end."""
    path = tmp_path / "headless.ts"
    ffmpeg("-i", str(clips("transport.ts")), "-c", "copy", "-bsf:v", "noise=drop=key", str(path))
    beats: list[int] = []
    with pytest.raises(SourceError, match="no frame of its video"):
        probe(str(path), uri="x", on_progress=lambda: beats.append(1))
    assert len(beats) >= 3


def test_a_pts_that_is_no_time_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "far.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for second in range(3):
            frame = av.VideoFrame(32, 32, "yuvj420p")
            frame.pts, frame.time_base = 10**12 + second, Fraction(1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(SourceError, match=r"far\.nut is damaged: its PTS .* is 1e\+12 s, which is no time"):
        probe(str(path), uri="far")
