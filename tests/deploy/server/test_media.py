"""Stills, close-ups and clips over HTTP. Catches a cut that misses its box, a picture of another frame or of a file
that has changed, clips that a player cannot seek, and paths that lead to other files."""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deploy.server.media.stills import close_up
from tests.deploy.server.conftest import World
from tests.deploy.server.serving import running

Ask = Callable[..., dict[str, Any]]


def image(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(answer.content))


def hit(ask: Ask, source: str, **query: object) -> dict[str, Any]:
    found: dict[str, Any] = ask(text="a car", source=source, k=1, **query)["hits"][0]
    return found


def test_a_still_is_the_original_in_full_or_small_enough_a_thumbnail(ask: Ask, web: httpx.Client) -> None:
    frame = hit(ask, "street")["frame_id"]
    full = web.get(f"/api/frames/{frame}.jpg", params={"from": "original"})
    assert (image(full).size, full.headers["x-from"]) == ((1600, 960), "original")
    small = web.get(f"/api/frames/{frame}.jpg", params={"width": 320})
    assert (image(small).size, small.headers["x-from"]) == ((320, 192), "thumbnail")
    assert image(web.get(f"/api/frames/{frame}.jpg", params={"from": "thumbnail"})).size == (640, 384)


def test_a_still_of_a_video_shows_the_moment_of_the_hit(ask: Ask, web: httpx.Client, world: World) -> None:
    found = hit(ask, "bikes", since=1.0)
    shown = np.asarray(image(web.get(f"/api/frames/{found['frame_id']}.jpg", params={"from": "original"})), int)
    command = ["ffmpeg", "-v", "error", "-i", world.folder / "videos" / "bikes.mp4"]
    command += "-f rawvideo -pix_fmt rgb24 -".split()
    frames = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    frames = frames.reshape(-1, 240, 320, 3)
    errors = [float(np.abs(frame.astype(int) - shown).mean()) for frame in frames]
    assert abs(int(np.argmin(errors)) - found["pts_s"] * 12) <= 0.5


def test_a_close_up_contains_its_region_and_says_where_it_is(ask: Ask, web: httpx.Client) -> None:
    found = hit(ask, "street")
    frame = web.get(f"/api/frames/{found['frame_id']}").json()
    region = min(
        frame["regions"], key=lambda each: (each["box"][2] - each["box"][0]) * (each["box"][3] - each["box"][1])
    )
    answer = web.get(f"/api/regions/{region['id']}.jpg", params={"from": "original"})
    x0, y0, x1, y1 = map(float, answer.headers["x-cut"].split(","))
    a0, b0, a1, b1 = region["box"]
    assert x0 <= a0 + 1e-6
    assert y0 <= b0 + 1e-6
    assert x1 >= a1 - 1e-6
    assert y1 >= b1 - 1e-6
    same = web.get(
        f"/api/frames/{found['frame_id']}.jpg", params={"from": "original", "box": ",".join(map(str, region["box"]))}
    )
    assert same.content == answer.content


@given(
    box=st.tuples(*[st.floats(0, 1, width=32)] * 4).filter(lambda b: b[2] - b[0] > 1e-3 and b[3] - b[1] > 1e-3),
    aspect=st.floats(0.05, 20),
    fill=st.floats(0.05, 1),
)
def test_a_cut_is_in_the_frame_and_around_its_box(
    box: tuple[float, float, float, float], aspect: float, fill: float
) -> None:
    x0, y0, x1, y1 = close_up(box, aspect=aspect, fill=fill)
    assert -1e-9 <= x0 <= box[0] + 1e-6
    assert -1e-9 <= y0 <= box[1] + 1e-6
    assert box[2] - 1e-6 <= x1 <= 1 + 1e-9
    assert box[3] - 1e-6 <= y1 <= 1 + 1e-9


def test_a_cut_has_the_wanted_shape_and_the_box_fills_the_wanted_share() -> None:
    x0, y0, x1, y1 = close_up((0.4, 0.4, 0.5, 0.6), aspect=0.75, fill=0.5)
    assert y1 - y0 == pytest.approx(0.4)
    assert x1 - x0 == pytest.approx(0.3)
    assert (x0 + x1) / 2 == pytest.approx(0.45)
    assert (y0 + y1) / 2 == pytest.approx(0.5)


def test_a_clip_is_the_shot_of_its_hit_and_is_read_in_parts(ask: Ask, web: httpx.Client, tmp_path: Path) -> None:
    found = hit(ask, "bikes")
    address = f"/api/clips/{found['frame_id']}.mp4"
    whole = web.get(address)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(whole.content)
    part = web.get(address, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, whole.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{size}"
    last = web.get(address, headers={"Range": "bytes=-50"})
    assert (last.status_code, last.content) == (206, whole.content[-50:])
    assert web.get(address, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert whole.content.index(b"moov") < whole.content.index(b"mdat")  # a player begins before it has everything
    (tmp_path / "clip.mp4").write_bytes(whole.content)
    probe = "ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of csv=p=0".split()
    frames = int(subprocess.run([*probe, tmp_path / "clip.mp4"], capture_output=True, text=True, check=True).stdout)
    start_s, stop_s = web.get(f"/api/frames/{found['frame_id']}").json()["clip_s"]
    assert frames == pytest.approx((stop_s - start_s) * 12, abs=1)


def test_a_picture_has_no_clip(ask: Ask, web: httpx.Client) -> None:
    frame = hit(ask, "street")["frame_id"]
    answer = web.get(f"/api/clips/{frame}.mp4")
    assert (answer.status_code, answer.json()) == (
        410,
        {"error": "there is no clip of this hit: its source is a picture"},
    )
    assert web.get(f"/api/frames/{frame}").json()["clip_s"] is None


def test_of_a_video_that_is_gone_the_still_is_the_thumbnail(world: World, tmp_path: Path) -> None:
    video = world.folder / "videos" / "bikes.mp4"
    aside = tmp_path / "aside.mp4"
    shutil.move(video, aside)
    try:
        with running(world.lake, clips=tmp_path / "clips") as url, httpx.Client(base_url=url, timeout=60) as web:
            found = web.post("/api/search", json={"box": [0, 0, 1, 1], "source": "bikes", "k": 1}).json()["hits"][0]
            still = web.get(f"/api/frames/{found['frame_id']}.jpg")
            assert image(still).size == (320, 240)
            assert still.headers["x-from"] == "thumbnail"
            for address in (
                f"/api/clips/{found['frame_id']}.mp4",
                f"/api/frames/{found['frame_id']}.jpg?from=original",
            ):
                answer = web.get(address)
                assert answer.status_code == 410
                assert "bikes.mp4" in answer.json()["error"]
                assert str(world.folder) not in answer.text
            video.write_bytes(b"something else")
            assert web.get(f"/api/clips/{found['frame_id']}.mp4").status_code == 410
    finally:
        shutil.move(aside, video)


@pytest.mark.parametrize(
    "path",
    [
        "/api/frames/..%2f..%2fetc%2fpasswd.jpg",
        "/api/clips/%2e%2e%2fx.mp4",
        "/api/frames/' OR 1=1 --.jpg",
        "/api/frames/%27%20OR%20%271%27=%271.jpg",
        "/api/regions/%00.jpg",
        "/api/pictures/x.jpg",
        "/..%2fapp.py",
        "/../app.py",
        "/page_files.py",
        "/__init__.py",
        "/.git/config",
    ],
)
def test_no_path_leads_to_another_file(path: str, web: httpx.Client) -> None:
    answer = web.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_every_other_path_is_an_address_within_the_page(web: httpx.Client) -> None:
    index = web.get("/")
    assert "RegionLake" in index.text
    assert web.get("/etc/passwd").content == index.content == web.get("/search").content


def test_no_picture_that_is_kept_is_shown_to_the_next_user(ask: Ask, web: httpx.Client) -> None:
    found, still = hit(ask, "bikes"), hit(ask, "street")
    region = web.get(f"/api/frames/{still['frame_id']}").json()["regions"][0]["id"]
    content = web.get(f"/api/frames/{found['frame_id']}.jpg").content
    upload = web.post("/api/pictures", content=content).json()["id"]
    for path in (
        f"frames/{found['frame_id']}.jpg",
        f"regions/{region}.jpg",
        f"clips/{found['frame_id']}.mp4",
        f"pictures/{upload}.jpg",
    ):
        answer = web.get(f"/api/{path}")
        assert (answer.status_code, answer.headers.get("vary")) == (200, "Cookie, Authorization"), path
