"""Export of clips: catches clips that reach into the next shot, lose frames or their times, are not rotated,
or read a whole source again for each hit."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from deploy.pictures.clips import clip_span, cut_clip, export_clips, find_video
from operators.readers.probe import probe
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.reading.fetch_rule import FetchRule
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from schemas.errors import RegionLakeError, SourceError
from schemas.query import Hit, Query, SearchResult
from schemas.sources import Source
from tests.integration.clips import make_clip
from tests.pipeline.lake.synthetic import SPACE, World, fold_shots, stored
from tests.web import Web, serving


def times_of(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        times = []
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            times.append(frame.pts * frame.time_base)
        return times


@pytest.fixture(scope="module")
def reader() -> Iterator[ReaderProcess]:
    with ReaderProcess(ReadConfig(), timeout_s=60) as reader:
        yield reader


def cut_span(reader: ReaderProcess, source: Path, path: Path, *, start_s: float, stop_s: float) -> None:
    video = find_video(reader, str(source), FetchRule(of_lake=True), source_id=probe(str(source), uri="").id)
    cut_clip(reader, video, path, start_s=start_s, stop_s=stop_s)


@pytest.mark.parametrize(
    ("pts_s", "shot_s", "span"),
    [
        (8.0, (7.6, 10.0), (7.6, 10.0)),
        (8.0, (0.0, 60.0), (6.0, 10.0)),
        (8.0, None, (6.0, 10.0)),
        (0.5, (0.0, 0.9), (0.0, 0.9)),
    ],
)
def test_a_clip_is_the_shot_but_at_most_two_seconds_around_the_hit(
    make_hit: Callable[..., Hit], pts_s: float, shot_s: tuple[float, float] | None, span: tuple[float, float]
) -> None:
    assert clip_span(replace(make_hit(), pts_s=pts_s, shot_s=shot_s)) == span


def test_a_clip_has_the_frames_of_its_span_at_their_times(reader: ReaderProcess, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mp4", seed=1)
    cut_span(reader, source, tmp_path / "clip.mp4", start_s=0.5, stop_s=2.0)
    expected = [t - Fraction(1, 2) for t in times_of(source) if 0.5 <= t < 2]
    assert times_of(tmp_path / "clip.mp4") == expected
    assert len(expected) == 18  # 1.5 s at 12 frames/s


def test_a_clip_shows_what_the_source_shows(reader: ReaderProcess, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "source.mp4", seed=2)
    cut_span(reader, source, tmp_path / "clip.mp4", start_s=1.0, stop_s=1.5)
    with av.open(str(source)) as a, av.open(str(tmp_path / "clip.mp4")) as b:
        shown = [f.to_ndarray(format="rgb24") for f in a.decode(video=0)][12:18]
        cut = [f.to_ndarray(format="rgb24") for f in b.decode(video=0)]
    errors = [np.abs(x.astype(int) - y).mean() for x, y in zip(shown, cut, strict=True)]
    assert max(errors) < 8  # the frames were encoded twice; neighbouring frames of this noisy clip differ by more


def test_a_turned_recording_gives_an_upright_clip(reader: ReaderProcess, tmp_path: Path) -> None:
    source, turned = make_clip(tmp_path / "source.mp4", seed=3), tmp_path / "turned.mp4"
    turn = ["-c", "copy", "-metadata:s:v:0", "rotate=90"]  # for FFmpeg before 6; newer ones have -display_rotation
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(source), *turn, str(turned)], check=True)
    cut_span(reader, turned, tmp_path / "clip.mp4", start_s=0, stop_s=1)
    with av.open(str(turned)) as container:
        assert next(container.decode(video=0)).rotation, "the recording is not turned; this test would show nothing"
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (240, 320)
        frame = next(container.decode(stream))
        assert frame.rotation == 0


def test_a_source_that_is_gone_is_named(reader: ReaderProcess, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.mp4"):
        find_video(reader, str(tmp_path / "gone.mp4"), FetchRule(of_lake=True), source_id="gone")


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    result = SearchResult(Query(text="a"), took_ms=0.0, exact=True, candidates=0, hits=())
    with pytest.raises(RegionLakeError, match=r"the folder of clips .* cannot be made"):
        list(export_clips(result, lake=lake, folder=tmp_path / "file" / "clips"))


def test_a_source_of_many_hits_is_probed_once(
    tmp_path: Path, make_hit: Callable[..., Hit], monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [make_clip(tmp_path / f"{name}.mp4", seed=seed, seconds=2) for seed, name in enumerate("ab")]
    ids = [probe(str(clip), uri="").id for clip in clips]
    probed: list[str] = []

    ask = ReaderProcess.probe

    def counted(reader: ReaderProcess, location: Location) -> Source:
        probed.append(location.uri)
        return ask(reader, location)

    monkeypatch.setattr(ReaderProcess, "probe", counted)
    # hits of the sources alternate, as they may in a result
    hits = [make_hit(rank=rank + 1, source=str(clips[rank % 2])) for rank in range(4)]
    hits = [replace(hit, source_id=ids[n % 2], pts_s=0.5 * n, shot_s=None) for n, hit in enumerate(hits)]
    lake = Lake.create_or_open(str(tmp_path / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for clip, name in zip(clips, ids, strict=True):
            committer.register(replace(World(0).source, id=name, uri=str(clip)))
    result = SearchResult(Query(box=(0, 0, 1, 1)), took_ms=1, exact=True, candidates=4, hits=tuple(hits))
    paths = list(export_clips(result, lake=lake, folder=tmp_path / "cut"))
    assert [path.name[:4] for path in paths] == ["01_a", "02_b", "03_a", "04_b"]
    assert probed == [str(clip) for clip in clips]
    assert all(times_of(path) for path in paths)


def lake_of(folder: Path, *uris: str, names: Sequence[str]) -> Lake:
    """A lake with these videos, which somebody else made. names: their ids."""
    lake = Lake.create_or_open(str(folder), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for uri, name in zip(uris, names, strict=True):
            committer.register(replace(World(0).source, id=name, uri=uri))
    return lake


def test_an_address_that_only_the_lake_names_is_not_asked(
    tmp_path: Path, make_hit: Callable[..., Hit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "web").mkdir()
    make_clip(tmp_path / "web" / "clip.mp4", seed=6, seconds=2)
    with serving(Web(tmp_path / "web")) as web:
        name = probe(str(tmp_path / "web" / "clip.mp4"), uri="").id
        hit = replace(make_hit(source=f"{web.url}/clip.mp4"), source_id=name, pts_s=1.0, shot_s=None)
        lake = lake_of(tmp_path / "lake", hit.source, names=[name])
        result = SearchResult(Query(box=(0, 0, 1, 1)), took_ms=1, exact=True, candidates=1, hits=(hit,))
        for allowed in ((), ("localhost",), ("s3://127.0.0.1",)):
            with pytest.raises(SourceError, match=r"the lake names it.*--fetch 127\.0\.0\.1"):
                list(export_clips(result, lake=lake, folder=tmp_path / "cut", fetch=allowed))
        assert web.asked == []
        [path] = export_clips(result, lake=lake, folder=tmp_path / "cut", fetch=("127.0.0.1",))
    assert times_of(path)
    assert (tmp_path / "cache" / "regionlake" / "downloads").is_dir()


def test_the_name_of_a_clip_fits_a_file_system(tmp_path: Path, make_hit: Callable[..., Hit]) -> None:
    source = make_clip(tmp_path / f"{'x' * 240}.mp4", seed=6, seconds=2)
    name = probe(str(source), uri="").id
    hit = replace(make_hit(source=str(source)), source_id=name, pts_s=1.0, shot_s=None)
    result = SearchResult(Query(box=(0, 0, 1, 1)), took_ms=1, exact=True, candidates=1, hits=(hit,))
    lake = lake_of(tmp_path / "lake", str(source), names=[name])
    assert [times_of(path) != [] for path in export_clips(result, lake=lake, folder=tmp_path / "cut")] == [True]


def test_no_clip_shows_the_new_file_for_a_hit_in_the_old_one_of_its_name(
    tmp_path: Path, make_hit: Callable[..., Hit]
) -> None:
    path = make_clip(tmp_path / "cam.mp4", seed=6, seconds=2)
    old = probe(str(path), uri="").id
    make_clip(path, seed=7, seconds=2)
    new = probe(str(path), uri="").id
    uris = [str(path), f"{path}#2026-05-01T12:00:00.250Z"]
    lake = lake_of(tmp_path / "lake", *uris, names=[old, new])

    def cut_of(uri: str, name: str) -> list[Path]:
        hit = replace(make_hit(source=uri), source_id=name, pts_s=1.0, shot_s=None)
        result = SearchResult(Query(box=(0, 0, 1, 1)), took_ms=1, exact=True, candidates=1, hits=(hit,))
        return list(export_clips(result, lake=lake, folder=tmp_path / "cut"))

    with pytest.raises(SourceError, match=r"no clip of .*cam\.mp4 can be cut: its file has other contents"):
        cut_of(uris[0], old)
    [clip] = cut_of(uris[1], new)
    assert clip.name.startswith("01_cam_")
    assert times_of(clip)
