"""Contact sheets: catches boxes and masks in the wrong place or colour, overlapping tiles, and errors without hits."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deploy.pictures.contact_sheet import (
    HEADER_PX,
    HIT,
    MASK_OPACITY,
    QUERY,
    TILE_PX,
    caption,
    draw_contact_sheet,
    draw_hit,
    drawn_on,
    place_name,
    title,
)
from operators.masks.rle import encode_masks
from schemas.query import BoxTuple, Hit, Place, Query, SearchResult
from schemas.zones import Zone

GREY = (90, 90, 90)


def jpeg(width_px: int, height_px: int, colour: tuple[int, int, int] = GREY) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(out, "JPEG")
    return out.getvalue()


def extent(picture: Image.Image, colour: tuple[int, int, int], *, below_px: int = 0) -> tuple[int, int, int, int]:
    """The half-open pixel box around everything of exactly this colour."""
    found: NDArray[np.bool_] = (np.asarray(picture) == colour).all(axis=-1)
    found[:below_px] = False
    ys, xs = np.nonzero(found)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_the_hit_box_is_drawn_where_the_hit_is(make_hit: Callable[..., Hit]) -> None:
    tile = draw_hit(Image.new("RGB", (400, 200), GREY), make_hit(box=(0.25, 0.25, 0.5, 0.75)))
    assert extent(tile, HIT, below_px=30) == (100, 50, 200, 150)  # the badge with the rank is above
    assert tile.getpixel((150, 100)) == GREY, "the box must not hide what it shows"


def test_the_query_box_is_drawn_in_its_own_colour(make_hit: Callable[..., Hit]) -> None:
    tile = draw_hit(Image.new("RGB", (400, 200), GREY), make_hit(), drawn=[Zone.of((0.5, 0.2, 0.75, 0.9))])
    assert extent(tile, QUERY) == (200, 40, 300, 180)


def test_a_zone_is_drawn_along_its_sides(make_hit: Callable[..., Hit]) -> None:
    tile = draw_hit(Image.new("RGB", (400, 200), GREY), make_hit(), drawn=[Zone.parse(".5,.2 .9,.2 .5,.9")])
    left, top, right, bottom = extent(tile, QUERY)
    assert abs(np.array([left, top, right, bottom]) - [200, 40, 360, 180]).max() <= 10  # the last dash may be a gap
    pixels = np.asarray(tile)
    slope = [pixels[40 + 140 * step // 40, 360 - 160 * step // 40] for step in range(2, 38)]
    assert any((pixel == QUERY).all() for pixel in slope)
    assert (pixels[150:175, 330:355] == GREY).all(), "its bounding box is not drawn"


@pytest.mark.parametrize(("source", "count"), [("/cam0/a.mp4", 2), ("/cam1/b.mp4", 1)])
def test_a_zone_is_drawn_on_frames_of_its_sources_alone(source: str, count: int, make_hit: Callable[..., Hit]) -> None:
    hit = replace(make_hit(), source=source)
    query = Query(text="a dog", zones=("cam0=0,0,.5,1", "0,0 1,0 .5,1"))
    assert len(drawn_on(hit, query)) == count
    assert place_name(query) == "zone"
    assert title(query) == "“a dog” in cam0=0,0,0.5,1 or 0,0 1,0 0.5,1"
    assert [str(zone) for zone in drawn_on(hit, Query(box=(0, 0, 0.5, 1)))] == ["0,0,0.5,1"]
    assert (drawn_on(hit, Query(text="a dog")), place_name(Query(text="a dog"))) == ([], None)


def test_a_mask_is_tinted_and_outlined_whatever_its_size(make_hit: Callable[..., Hit]) -> None:
    plane = np.zeros((400, 800), bool)  # pixels of the keyframe; the tile is half as large
    plane[120:280, 240:360] = True
    (mask,) = encode_masks(plane[None])
    hit = make_hit(box=(0.25, 0.25, 0.5, 0.75))
    tile = np.asarray(draw_hit(Image.new("RGB", (400, 200), GREY), hit, mask=mask)).astype(int)
    tint = np.array(GREY) + MASK_OPACITY * (np.array(HIT) - GREY)
    np.testing.assert_allclose(tile[65:135, 125:175], np.broadcast_to(tint, (70, 50, 3)), atol=1.5)
    assert (tile[100, [120, 179]] == HIT).all(), "the outline lies inside of the mask"
    assert (tile[100, 185:190] == GREY).all()
    assert (tile[100, 110:115] == GREY).all()


def test_a_hits_own_mask_wins_over_its_regions(make_result: Callable[..., SearchResult]) -> None:
    left, right = np.zeros((2, 1, 90, 160), bool)
    left[:, 45:, :40], right[:, 45:, 120:] = True, True
    (of_region,), (of_hit,) = encode_masks(left), encode_masks(right)
    result = make_result(hits=2, box=None)
    own = replace(
        result, hits=(result.hits[0], replace(result.hits[1], place=replace(result.hits[1].place, mask=of_hit)))
    )
    thumbnails = {hit.frame_id: jpeg(160, 90) for hit in own.hits}
    masks = {hit.place.region_id: of_region for hit in own.hits if hit.place.region_id}
    sheet = np.asarray(draw_contact_sheet(own, thumbnails, masks)).astype(int)
    y = HEADER_PX + TILE_PX * 9 // 16 * 3 // 4
    tinted = [bool(sheet[y, 16 + x, 2] < GREY[2] - 10) for x in (60, 420, 496 + 60, 496 + 420)]
    assert tinted == [True, False, False, True]


@settings(deadline=None, max_examples=60)
@given(
    corners=st.tuples(*[st.floats(0, 1, width=32)] * 4),
    size=st.tuples(st.integers(40, 500), st.integers(40, 500)),
)
def test_any_box_can_be_drawn_and_stays_in_the_picture(
    corners: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    box: BoxTuple = (x0, y0, x1, y1)
    hit = Hit(1, 0.0, Place(box, "grid"), "a", "a", 0, 0.0, None, None, "f")
    tile = draw_hit(Image.new("RGB", size, GREY), hit, drawn=[Zone.of(box)] if x0 < x1 and y0 < y1 else [])
    assert tile.size == size
    left, top, right, bottom = extent(tile, HIT)
    assert left <= x0 * size[0] + 1
    assert right >= min(x1 * size[0], size[0]) - 1
    assert bottom >= min(y1 * size[1], size[1]) - 1
    assert top == 0, "the badge with the rank is in the upper left corner"


def test_a_hit_of_a_feed_is_named_by_the_feed_and_utc(make_hit: Callable[..., Hit]) -> None:
    hit = replace(make_hit(), time=datetime(2026, 5, 1, 12, 0, 7, tzinfo=UTC), pts_s=7.5)
    assert caption(hit, name="gate#2026-05-01T12:00:00.250Z") == "gate · 2026-05-01 12:00:07 UTC"
    assert caption(hit, name="clip.mp4") == "clip.mp4 · 0:07.50 · 2026-05-01 12:00:07 UTC"


@pytest.mark.parametrize("hits", [1, 2, 5, 10, 13])
def test_every_hit_has_its_tile_in_order_of_rank(make_result: Callable[..., SearchResult], hits: int) -> None:
    result = make_result(hits=hits)
    colours = [(20 * i, 255 - 18 * i, 40) for i in range(hits)]
    sheet = draw_contact_sheet(
        result, {hit.frame_id: jpeg(640, 360, colour) for hit, colour in zip(result.hits, colours, strict=True)}
    )
    pixels = np.asarray(sheet).astype(int)
    centres = []
    for colour in colours:
        near = np.abs(pixels - colour).max(axis=-1) < 4  # JPEG changes colours a little
        ys, xs = np.nonzero(near)
        assert len(ys) > 0.5 * TILE_PX * 270
        centres.append((round(float(ys.mean()) / 100), float(xs.mean())))
    assert centres == sorted(centres)


def test_pictures_of_any_shape_keep_their_proportions(make_result: Callable[..., SearchResult]) -> None:
    result = make_result(hits=3, box=None)
    shapes = {"frame-1": jpeg(640, 360, (200, 0, 0)), "frame-2": jpeg(100, 400, (0, 200, 0)), "frame-3": jpeg(50, 50)}
    sheet = draw_contact_sheet(result, shapes)
    green = (np.abs(np.asarray(sheet).astype(int) - (0, 200, 0)).max(axis=-1) < 6).nonzero()
    height, width = np.ptp(green[0]) + 1, np.ptp(green[1]) + 1
    assert height / width == pytest.approx(4, rel=0.05)


def test_without_hits_there_is_still_a_sheet_that_says_so(make_result: Callable[..., SearchResult]) -> None:
    sheet = draw_contact_sheet(make_result(hits=0), {})
    assert sheet.height >= HEADER_PX
    assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 2, "the title is drawn"
