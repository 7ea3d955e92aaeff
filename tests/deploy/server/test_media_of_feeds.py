"""Clips and stills of feeds over HTTP. Catches other frames than those of the hit, a clip that was cut short while the
feed went on, and a hit without video that seems to have some."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import httpx2 as httpx
import lancedb
import numpy as np
import pytest
from PIL import Image

from pipeline.lake.lake import Lake
from pipeline.live.status.state_folder import StateFolder
from pipeline.ring.config import RingConfig
from pipeline.ring.feed_ring import FeedRing, rings_of_state
from pipeline.ring.writer import RingWriter
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running
from tests.pipeline.ring.rings import FEED, URI, hashes, run_of

MIDDLE = 21  # packets, up to within the shot of the hit


class Feed:
    """A lake in which the clip is a recording of a feed, and its ring, which grows."""

    def __init__(self, world: World, folder: Path) -> None:
        self.lake = folder / "lake"
        shutil.copytree(world.lake, self.lake)
        self.clip = world.folder / "videos" / "bikes.mp4"
        [self.id] = Lake.open(str(self.lake)).read("sources", columns=["id"], where="kind = 'video'")["id"].to_pylist()
        opened = lancedb.connect(self.lake)
        opened.open_table("sources").update(where=f"id = '{self.id}'", values={"kind": "feed", "source": URI})
        for name in ("frames", "regions", "shots", "segments"):
            opened.open_table(name).update(where=f"source_id = '{self.id}'", values={"source": URI})
        self.rings = rings_of_state(StateFolder.of(str(self.lake)).path)
        self._writer = RingWriter(FEED, RingConfig(str(self.rings)))
        begins, self._packets = run_of(self.clip)
        self._writer.begin(begins)
        self._writer.bind(self.id, 0)

    def grow(self, packets: int | None = None) -> None:
        for packet in self._packets[:packets]:
            self._writer.add(packet)
        self._writer.flush()
        self._packets = self._packets[packets:] if packets else []


@pytest.fixture(scope="module")
def feed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Feed:
    return Feed(world, tmp_path_factory.mktemp("feed"))


@pytest.fixture(scope="module")
def web(feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    clips = tmp_path_factory.mktemp("clips of feed")
    with running(feed.lake, clips=clips) as url, httpx.Client(base_url=url, timeout=60) as web:
        yield web


def test_a_hit_of_a_feed_is_played_from_its_ring(feed: Feed, web: httpx.Client, tmp_path: Path) -> None:
    frames = Lake.open(str(feed.lake)).read("frames", where=f"source_id = '{feed.id}'").to_pylist()
    frame = min(frames, key=lambda each: abs(each["pts_s"] - 1.5))
    address = f"/api/clips/{frame['id']}.mp4"
    missing = web.get(address)
    assert missing.status_code == 410
    assert "no video of its feed is kept" in missing.json()["error"]
    assert str(feed.lake) not in missing.text
    assert web.get(f"/api/frames/{frame['id']}").json()["clip_s"] is None
    assert web.get(f"/api/frames/{frame['id']}.jpg").headers["x-from"] == "thumbnail"

    lengths = []
    for grown in (MIDDLE, None):
        feed.grow(grown)
        (tmp_path / "clip.mp4").write_bytes(web.get(address).content)
        pictures, film = hashes(tmp_path / "clip.mp4"), hashes(feed.clip)
        assert set(pictures) <= set(film)  # B-frames of the newest pictures are not there yet
        lengths.append(len(pictures))
    assert any(film[at : at + len(pictures)] == pictures for at in range(len(film)))
    assert lengths[0] < lengths[1]
    start_s, stop_s = web.get(f"/api/frames/{frame['id']}").json()["clip_s"]
    assert lengths[1] >= round((stop_s - start_s) * 12) - 1

    answer = web.get(f"/api/frames/{frame['id']}.jpg", params={"from": "original"})
    assert answer.headers["x-from"] == "original"
    (tmp_path / "still.jpg").write_bytes(answer.content)
    with av.open(str(feed.clip)) as container:
        [shown] = [each for each in container.decode(video=0) if each.pts == frame["pts"]]
        wanted = shown.to_ndarray(format="rgb24").astype(int)
    assert np.abs(np.asarray(Image.open(tmp_path / "still.jpg"), int) - wanted).mean() < 6

    for part in FeedRing.of(feed.rings, FEED).parts():
        part.path.unlink()
    assert web.get(address).status_code == 410
