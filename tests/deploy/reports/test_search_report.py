"""Reports of a search, and the picture of a query on them. Catches pictures that are missing or of another hit, names
that become markup, and a part, mask or point that is drawn elsewhere than it was asked."""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from PIL import Image

from deploy.pictures.asked_picture import asked_picture
from deploy.pictures.contact_sheet import CAPTION_PX, GAP_PX, HEADER_PX, QUERY, draw_contact_sheet, write_contact_sheet
from deploy.reports.search_report import report_html
from pipeline.lake.lake import Lake
from schemas.pictures import Picture
from schemas.query import Query, SearchResult
from tests.deploy.disc_picture import DISC

ANY_LAKE = cast(Lake, None)  # a query by pixels reads none


def jpeg(level: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (level, level, level)).save(out, "JPEG")
    return out.getvalue()


def pictures(text: str) -> list[Image.Image]:
    found = re.findall('src="data:image/jpeg;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in found]


@pytest.fixture
def disc() -> Picture:
    plane = np.full((240, 320, 3), 120, np.uint8)
    cv2.circle(plane, (96, 96), 38, (200, 20, 20), -1)
    return Picture.of(plane)


def test_a_report_has_the_picture_of_each_hit_in_order(
    make_result: Callable[..., SearchResult], tmp_path: Path
) -> None:
    result = make_result(hits=3)
    result = replace(result, query=replace(result.query, text="a <b>bicycle</b>"))
    levels = {f"frame-{rank}": 60 * rank for rank in (1, 2, 3)}
    write_contact_sheet(
        result,
        lake=lambda _: ({id: jpeg(level) for id, level in levels.items()}, {}),
        path=tmp_path / "new" / "hits.html",
    )
    text = (tmp_path / "new" / "hits.html").read_text()
    assert [each.getpixel((470, 350)) for each in pictures(text)] == [
        pytest.approx((60 * n,) * 3, abs=4) for n in (1, 2, 3)
    ]
    assert "<b>bicycle" not in text
    assert "a &lt;b&gt;bicycle" in text
    assert re.findall("frame-[0-9]", text) == ["frame-1", "frame-2", "frame-3"]
    assert "<script" not in text
    assert "http" not in text


def test_the_part_that_points_chose_is_marked_and_comes_first(
    make_result: Callable[..., SearchResult], disc: Picture
) -> None:
    asked = SearchResult(
        Query(image=disc, points=((0.3, 0.4),), not_points=((0.8, 0.8),)), 1.0, True, 1, (), region=DISC
    )
    tile = asked_picture(asked, ANY_LAKE)
    assert tile is not None
    assert tile.size == (480, 360)
    pixels = np.asarray(tile).astype(int)
    rows, columns = np.nonzero((pixels == QUERY).all(axis=-1))
    assert (columns.min() / 480, rows.min() / 360) == pytest.approx(DISC[:2], abs=0.01)
    assert (columns.max() / 480, rows.max() / 360) == pytest.approx(DISC[2:], abs=0.01)
    assert tile.getpixel((144, 120)) != (200, 20, 20)  # its mask is tinted
    assert tile.getpixel((300, 60)) == (120, 120, 120)
    assert tile.getpixel((round(0.8 * 479), round(0.8 * 359))) == (255, 107, 94)
    result = make_result(hits=2)
    thumbnails = {f"frame-{rank}": jpeg(90) for rank in (1, 2)}
    assert len(pictures(report_html(result, thumbnails, {}, asked=tile))) == 3
    sheet = draw_contact_sheet(result, thumbnails, asked=tile)
    first = sheet.crop((GAP_PX, HEADER_PX, GAP_PX + 480, HEADER_PX + 360))
    assert np.array_equal(np.asarray(first), np.asarray(tile))
    assert sheet.height == HEADER_PX + 2 * (360 + CAPTION_PX + GAP_PX)


def test_a_query_without_a_picture_shows_none(make_result: Callable[..., SearchResult]) -> None:
    assert asked_picture(make_result(), ANY_LAKE) is None
