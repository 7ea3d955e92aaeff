"""A masked feed from its camera to the disk. Catches a pixel under a mask in any file of a lake: in a thumbnail or
another picture, in the video that was encoded again, or in a packet that was kept as it came."""

import re
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.lake.lake import Lake
from schemas.frames import ImageArray
from tests.clips import ffmpeg
from tests.live.cameras import rtsp_server
from tests.live.follower import FollowerProcess

_JPEG = re.compile(rb"\xff\xd8\xff.*?\xff\xd9", re.DOTALL)
_MARGIN = 0.06  # of the width, beside the mask's border: codecs blur edges
_PACKET_BYTES = 48


def test_nothing_on_disk_shows_what_is_under_a_mask(data_dir: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    film = films / "gate.mp4"
    half = "split[a][b];[a]crop=iw/2:ih:0:0[left];[b]crop=iw/2:ih:iw/2:0,negate,colorize=300:1:0.5[right]"
    scene = f"[0:v]trim=duration=40,scale=384:288,{half};[left][right]hstack"  # violet, and moving, at the right
    camera = "-c:v libx264 -preset veryfast -tune zerolatency -g 10 -r 10 -pix_fmt yuv420p -an".split()
    ffmpeg("-i", str(data_dir / "pets09-s2l1" / "vtest.avi"), "-filter_complex", scene, *camera, str(film))
    assert any(_shows_violet(image) for image in _pictures_of_video(film)), "the film has what is to be hidden"

    lake = tmp_path / "lake"
    listed = tmp_path / "cameras.toml"
    with rtsp_server(films) as server:
        masked = 'masks = ["0.5,0,1,1"]\nvideo_masked = "encode"\n'
        listed.write_text(f'[feeds.gate]\nurl = "{server.url("gate")}"\n{masked}')
        follower = FollowerProcess(lake, ["--feeds", str(listed), "--video-max-age", "1h"])
        status = follower.wait(
            lambda s: s.sink.keyframes >= 3 and any(f.video and f.video.fragments >= 3 for f in s.feeds)
        )
        assert status.feeds[0].state == "live"
        pictures = _require_black(lake)  # while it runs
        follower.end()
    assert _require_black(lake) >= pictures
    thumbnails = Lake.open(str(lake)).read("frames", columns=["thumbnail"])["thumbnail"].to_pylist()
    assert len(thumbnails) >= 3
    for thumbnail in thumbnails:
        _require_hidden(_decoded(thumbnail), "a thumbnail")
    assert [*lake.rglob("*.mp4")], "video was kept"

    sent = _packets(film)
    for path in _files(lake):
        content = path.read_bytes()
        assert not any(packet in content for packet in sent), f"{path} holds a packet of the camera"


def _require_black(lake: Path) -> int:
    """Raises AssertionError where a picture in a file shows something under the mask; returns how many pictures."""
    count = 0
    for path in _files(lake):
        for image in _pictures_in(path):
            _require_hidden(image, str(path))
            count += 1
    return count


def _require_hidden(image: ImageArray, where: str) -> None:
    width = image.shape[1]
    assert image[:, round((0.5 + _MARGIN) * width) :].max() < 40, f"{where} shows what is under the mask"
    assert not _shows_violet(image), where
    assert image[:, : width // 2].max() > 100, f"{where} shows nothing"


def _shows_violet(image: ImageArray) -> bool:
    red, green, blue = (image[..., channel].astype(np.int16) for channel in range(3))
    return bool(((np.minimum(red, blue) - green) > 60).any())


def _files(lake: Path) -> list[Path]:
    return [path for path in sorted(lake.rglob("*")) if path.is_file()]


def _pictures_in(path: Path) -> Iterator[ImageArray]:
    if path.suffix == ".mp4":
        yield from _pictures_of_video(path)
        return
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # upkeep has removed it since it was listed
        return
    for found in _JPEG.finditer(content):
        image = cv2.imdecode(np.frombuffer(found[0], np.uint8), cv2.IMREAD_COLOR)
        if image is not None:
            yield np.asarray(image[..., ::-1], np.uint8)


def _pictures_of_video(path: Path) -> Iterator[ImageArray]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _decoded(jpeg: bytes) -> ImageArray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[..., ::-1], np.uint8)


def _packets(film: Path) -> list[bytes]:
    """A part of each larger packet, from its middle: the same bytes twice would be a copy."""
    with av.open(str(film)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    return [each[len(each) // 2 :][:_PACKET_BYTES] for each in packets if len(each) > 4 * _PACKET_BYTES]
