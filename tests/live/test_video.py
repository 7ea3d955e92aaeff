"""The video of a real stream. Catches clips that show other frames than the camera sent, rows whose PTS have no frame,
a killed follower that loses more than a fragment, and a disk that takes no video and stops more than the video."""

from pathlib import Path

from deploy.pictures.clips import export_clips
from pipeline.lake.lake import Lake
from pipeline.live.status.follow_status import FollowStatus
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.config import VideoStatus
from pipeline.ring.feed_ring import FeedRing, rings_of_state
from pipeline.ring.report import ring_problems
from schemas.query import Hit, Place, Query, SearchResult
from tests.live.cameras import rtsp_server
from tests.live.follower import FollowerProcess, require_accounts, validate_rows
from tests.pipeline.ring.rings import hashes, kept_pts

LOST_S = 6.0  # of the end of a run: a fragment of two seconds, and what a busy machine has not written yet


def video_of(status: FollowStatus) -> VideoStatus:
    [feed] = status.feeds
    return feed.video or VideoStatus()


def test_clips_show_what_the_camera_sent_whatever_befalls_the_follower_and_its_disk(
    films: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    rings = rings_of_state(StateFolder.of(str(lake)).path)
    rings.parent.mkdir(parents=True)
    rings.symlink_to("/dev/full")  # where nothing can be made
    with rtsp_server(films) as server:
        feed = server.url("gate")
        follower = FollowerProcess(lake, [feed, "--video-max-age", "1h"])
        status = follower.wait(lambda s: video_of(s).error is not None and s.sink.keyframes >= 2)
        assert status.feeds[0].state == "live"
        assert "its video is not kept" in (video_of(status).trouble or "")
        rings.unlink()  # somebody has made room
        status = follower.wait(lambda s: video_of(s).fragments >= 3 and s.sink.keyframes >= 6)
        assert video_of(status).error is None
        assert status.feeds[0].lost == {}
        follower.kill()

        follower = FollowerProcess(lake, [feed, "--video-max-age", "1h"])
        follower.wait(lambda s: s.sink.keyframes >= 5)
        require_accounts(follower.end())
    validate_rows(lake)
    assert ring_problems(rings) == []
    opened = Lake.open(str(lake))
    recordings = {row["id"]: row for row in opened.read("sources").to_pylist()}
    frames = opened.read("frames").to_pylist()
    runs = {FeedRing.of(rings, feed).run_of(name) for name in recordings}
    assert runs == {0, 1}
    by_run = {run: sorted(kept_pts(part.path for part in FeedRing.of(rings, feed).parts(run))) for run in (0, 1)}
    shown = []  # the rows from the time on when there was room
    for frame in frames:
        run = FeedRing.of(rings, feed).run_of(frame["source_id"])
        assert run is not None
        if frame["pts"] >= by_run[run][0]:
            assert frame["pts"] in by_run[run]
            shown.append(frame)
    assert len(shown) >= 8
    for name, row in recordings.items():
        run = FeedRing.of(rings, feed).run_of(name)
        assert run is not None
        base = row["time_base_num"] / row["time_base_den"]
        assert row["stop"] * base <= by_run[run][-1] * base + LOST_S

    film = hashes(films / "gate.mp4")
    hits = []
    for rank, frame in enumerate(shown[::3], 1):
        names = {name: frame[name] for name in ("source", "source_id", "pts", "pts_s", "time")}
        hits.append(Hit(rank=rank, distance=0.0, place=Place(), frame_id=frame["id"], shot_s=None, **names))
    result = SearchResult(Query(box=(0, 0, 1, 1)), took_ms=1, exact=True, candidates=len(hits), hits=tuple(hits))
    clips = list(export_clips(result, lake=opened, folder=tmp_path / "clips"))
    assert len(clips) == len(hits)
    for clip in clips:
        pictures = hashes(clip)
        assert len(pictures) >= 10
        assert any(film[at : at + len(pictures)] == pictures for at in range(len(film))), clip
