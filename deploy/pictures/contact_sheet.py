"""Contact sheets of hits: every hit's frame with the hit's box, its mask, and the query box or zones drawn on it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from deploy.wording import clock_time, counted, is_picture, short_names
from operators.masks.rle import decode_mask
from pipeline.lake import sql
from pipeline.lake.lake import Lake
from pipeline.lake.region_rows import masks_of
from pipeline.reading.picture_process import confined_pictures
from pipeline.search.filters import zone_is_for
from schemas.errors import RegionLakeError
from schemas.masks import Mask
from schemas.query import BoxTuple, Hit, Query, SearchResult
from schemas.sources import feed_name, recording_began
from schemas.visible_text import visible
from schemas.zones import Zone

Colour = tuple[int, int, int]
# what a lake stores of the frames of hits, where the lake itself is elsewhere: thumbnails by frame, masks by region
Stored = Callable[[SearchResult], tuple[dict[str, bytes], dict[str, Mask]]]
HIT: Colour = (255, 176, 0)
QUERY: Colour = (0, 205, 255)
PAPER: Colour = (22, 24, 28)
MAT: Colour = (34, 37, 43)  # behind pictures that do not fill their tile
INK: Colour = (238, 240, 242)
FAINT: Colour = (160, 166, 174)
SHADOW: Colour = (0, 0, 0)

TILE_PX = 480
TILE_HIGHEST_PX = 360
GAP_PX = 16
CAPTION_PX = 50
HEADER_PX = 84
MASK_OPACITY = 0.35
REPORT_SUFFIX = ".html"


def write_contact_sheet(result: SearchResult, *, lake: Lake | Stored, path: Path) -> None:
    """Draws the hits from the lake's thumbnails and masks and writes the picture; its suffix names the format.

    `.html` is a report: one file with a picture of each hit. Where the query has a picture, and the lake is given, it
    comes first.
    """
    stored = read_stored(result, lake)
    asked = None
    if result.query.has_picture and isinstance(lake, Lake):
        from deploy.pictures.asked_picture import asked_picture  # what segments pictures is not for every sheet

        asked = asked_picture(result, lake)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == REPORT_SUFFIX:
            from deploy.reports.search_report import report_html

            path.write_text(report_html(result, *stored, asked=asked))
        else:
            draw_contact_sheet(result, *stored, asked=asked).save(path)
    except (OSError, ValueError) as error:
        raise RegionLakeError(f"the contact sheet {path} cannot be written: {error}") from error


def drawn_hits(result: SearchResult, lake: Lake | Stored) -> Iterator[tuple[Hit, Image.Image]]:
    """Yields each hit with the picture of its frame, at the size of a tile, on which its box is drawn."""
    thumbnails, masks = read_stored(result, lake)
    for hit in result.hits:
        yield hit, drawn_hit(hit, thumbnails, masks, query=result.query)


def read_stored(result: SearchResult, lake: Lake | Stored) -> tuple[dict[str, bytes], dict[str, Mask]]:
    """Thumbnails by the id of their frame, and masks by that of their region."""
    if not isinstance(lake, Lake):
        return lake(result)
    thumbnails: dict[str, bytes] = {}
    masks: dict[str, Mask] = {}
    if result.hits:
        wanted = sql.is_in("id", [hit.frame_id for hit in result.hits])
        rows = lake.read("frames", columns=["id", "thumbnail"], where=wanted)
        thumbnails = dict(zip(rows["id"].to_pylist(), rows["thumbnail"].to_pylist(), strict=True))
    regions = [hit.place.region_id for hit in result.hits if hit.place.region_id is not None]
    if regions:
        masks = masks_of(lake.read("regions", columns=["id", "mask", "mask_area"], where=sql.is_in("id", regions)))
    return thumbnails, masks


def drawn_on(hit: Hit, query: Query) -> list[Zone]:
    """What the query drew on the frame of a hit: its box, or the zones that were drawn for the hit's source."""
    if query.box is not None:
        return [Zone.of(query.box)]
    return [zone for zone in query.areas if zone_is_for(zone, hit.source, hit.source_id)]


def place_name(query: Query) -> str | None:
    """What a legend calls what the query drew; None where it drew nothing."""
    return "query box" if query.box is not None else "zone" if query.zones else None


def drawn_hit(hit: Hit, thumbnails: Mapping[str, bytes], masks: Mapping[str, Mask], *, query: Query) -> Image.Image:
    """The frame of a hit, at the size of a tile, with what was found and what the query drew."""
    drawn = drawn_on(hit, query)
    picture = _scaled(Image.fromarray(confined_pictures().thumbnail(thumbnails[hit.frame_id])))
    return draw_hit(picture, hit, drawn=drawn, mask=hit.place.mask or masks.get(hit.place.region_id or ""))


def draw_contact_sheet(
    result: SearchResult,
    thumbnails: Mapping[str, bytes],
    masks: Mapping[str, Mask] | None = None,
    *,
    asked: Image.Image | None = None,
) -> Image.Image:
    """Draws the hits as tiles in order of rank, from left to right and then down.

    thumbnails: frame id → JPEG, for every hit. masks: region id → mask, where there is one; a mask in the hit itself
    comes first. asked: the picture of the query, which is the first tile.
    """
    tiles: list[tuple[Hit | None, Image.Image]] = [] if asked is None else [(None, asked)]
    tiles += [(hit, drawn_hit(hit, thumbnails, masks or {}, query=result.query)) for hit in result.hits]
    columns = _columns(len(tiles))
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    heights = [max(picture.height for _, picture in row) for row in rows]
    width = columns * (TILE_PX + GAP_PX) + GAP_PX
    sheet = Image.new("RGB", (width, HEADER_PX + sum(heights) + len(rows) * (CAPTION_PX + GAP_PX)), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, result, width=width, part=asked is not None)
    names = short_names([hit.source for hit in result.hits])
    y = HEADER_PX
    for row, height in zip(rows, heights, strict=True):
        for i, (hit, tile) in enumerate(row):
            x = GAP_PX + i * (TILE_PX + GAP_PX)
            draw.rectangle((x, y, x + TILE_PX - 1, y + height - 1), fill=MAT)
            sheet.paste(tile, (x + (TILE_PX - tile.width) // 2, y + (height - tile.height) // 2))
            if hit is None:
                draw.text((x, y + height + 6), "What was asked", fill=INK, font=_font(17))
            else:
                _draw_caption(draw, hit, name=names[hit.source], x=x, y=y + height + 6)
        y += height + CAPTION_PX + GAP_PX
    return sheet


def _scaled(picture: Image.Image) -> Image.Image:
    """The picture scaled to fit a tile, with its proportions kept."""
    scale = min(TILE_PX / picture.width, TILE_HIGHEST_PX / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def draw_hit(picture: Image.Image, hit: Hit, *, drawn: Sequence[Zone] = (), mask: Mask | None = None) -> Image.Image:
    """A copy of the picture with what the query drew dashed, the hit's box solid, its mask tinted and outlined, and its
    rank in the corner."""
    tile = picture.copy()
    if mask is not None:
        _tint(tile, mask)
    draw = ImageDraw.Draw(tile)
    for zone in drawn:
        if zone.is_box:
            x0, y0, x1, y1 = _pixels(zone.bounds, tile)
            draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=SHADOW, width=4)
            _dashed(draw, (x0, y0, x1, y1), QUERY)
        else:
            _dashed_polygon(draw, zone, tile, QUERY)
    x0, y0, x1, y1 = _pixels(hit.place.box, tile)
    draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=SHADOW, width=5)
    draw.rectangle((x0, y0, x1, y1), outline=HIT, width=3)
    label = str(hit.rank)
    font = _font(20)
    badge = (0, 0, round(font.getlength(label)) + 16, 28)
    draw.rectangle(badge, fill=HIT)
    draw.text(((badge[2] + 1) / 2, 14), label, fill=SHADOW, font=font, anchor="mm")
    return tile


def draw_asked(picture: Image.Image, *, part: BoxTuple | None, mask: Mask | None = None) -> Image.Image:
    """The picture of a query at the size of a tile, with the part that is looked for dashed, and its mask tinted."""
    tile = _scaled(picture)
    if mask is not None:
        _tint(tile, mask)
    if part is not None:
        draw = ImageDraw.Draw(tile)
        x0, y0, x1, y1 = _pixels(part, tile)
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=SHADOW, width=4)
        _dashed(draw, (x0, y0, x1, y1), QUERY)
    return tile


def _tint(tile: Image.Image, mask: Mask) -> None:
    plane = Image.fromarray(decode_mask(mask)).convert("L").resize(tile.size, Image.Resampling.BILINEAR)
    inside = plane.point([0] * 128 + [255] * 128)
    tile.paste(HIT, mask=inside.point([round(level * MASK_OPACITY) for level in range(256)]))
    near, deep = inside.filter(ImageFilter.MaxFilter(3)), inside.filter(ImageFilter.MinFilter(3))
    tile.paste(SHADOW, mask=ImageChops.subtract(near, inside))
    tile.paste(HIT, mask=ImageChops.subtract(inside, deep))


def _pixels(box: BoxTuple, tile: Image.Image) -> tuple[int, int, int, int]:
    """The outermost pixels of the box, both ends included, clipped to the tile."""
    right, bottom = tile.width - 1, tile.height - 1
    x0, y0 = min(round(box[0] * tile.width), right), min(round(box[1] * tile.height), bottom)
    return (
        x0,
        y0,
        max(x0, min(round(box[2] * tile.width) - 1, right)),
        max(y0, min(round(box[3] * tile.height) - 1, bottom)),
    )


def _dashed(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], colour: Colour) -> None:
    x0, y0, x1, y1 = box
    for x in range(x0, x1 + 1, 16):
        for y in (y0, y1 - 1):
            draw.rectangle((x, y, min(x + 9, x1), y + 1), fill=colour)
    for y in range(y0, y1 + 1, 16):
        for x in (x0, x1 - 1):
            draw.rectangle((x, y, x + 1, min(y + 9, y1)), fill=colour)


def _dashed_polygon(draw: ImageDraw.ImageDraw, zone: Zone, tile: Image.Image, colour: Colour) -> None:
    corners = [(x * (tile.width - 1), y * (tile.height - 1)) for x, y in zone.corners]
    sides = list(pairwise([*corners, corners[0]]))
    for start, stop in sides:
        draw.line([start, stop], fill=SHADOW, width=4)
    for start, stop in sides:
        length = math.dist(start, stop)
        for at in range(0, math.ceil(length), 16):
            ends = [
                tuple(a + (b - a) * along / length for a, b in zip(start, stop, strict=True))
                for along in (at, min(at + 9, length))
            ]
            draw.line([(x, y) for x, y in ends], fill=colour, width=2)


def _draw_header(draw: ImageDraw.ImageDraw, result: SearchResult, *, width: int, part: bool) -> None:
    """part: whether the first tile shows which part of a picture is looked for."""
    draw.text(
        (GAP_PX, 26), _fitted(title(result.query), _font(26), width - 2 * GAP_PX), fill=INK, font=_font(26), anchor="lm"
    )
    found = f"{counted(len(result.hits), 'hit')} of {result.candidates:,} regions and frames in {result.took_ms:.0f} ms"
    chosen = part and (result.region or result.query.roi) is not None
    named = place_name(result.query) or ("what is looked for" if chosen else None)
    legend = [("hit", HIT)] + ([(named, QUERY)] if named else [])
    x = float(GAP_PX)
    for name, colour in legend:
        draw.rectangle((x, 52, x + 22, 68), outline=colour, width=3)
        draw.text((x + 30, 60), name, fill=INK, font=_font(16), anchor="lm")
        x += 30 + _font(16).getlength(name) + 22
    draw.text((x, 60), _fitted(found, _font(16), width - GAP_PX - x), fill=FAINT, font=_font(16), anchor="lm")


def title(query: Query) -> str:
    """The query in one line."""
    wanted = [f"“{query.text}”"] if query.text else []
    if query.picture is not None:
        wanted.append(f"what {Path(query.picture).name if isinstance(query.picture, str) else 'a picture'} shows")
    elif query.frame is not None:
        wanted.append("what a keyframe shows")
    what = " and ".join(wanted) or "anything"
    what += f" without {', '.join(f'“{text}”' for text in query.not_text)}" if query.not_text else ""
    where = f" at {', '.join(f'{side:g}' for side in query.box)}" if query.box else ""
    where += f" in {' or '.join(map(str, query.areas))}" if query.zones else ""
    then = f", then “{query.then}” within {query.within_s:g} s" if query.then else ""
    return visible(what + where + then)


def caption(hit: Hit, *, name: str) -> str:
    """Where the hit is. name: of its source. For a feed, UTC says more than a recording and the time within it."""
    utc = [f"{hit.time:%Y-%m-%d %H:%M:%S} UTC"] if hit.time else []
    if utc and recording_began(name):
        return " · ".join([feed_name(name), *utc])
    within = [] if is_picture(hit.source) else [clock_time(hit.pts_s)]
    return " · ".join([name, *within, *utc])


def _draw_caption(draw: ImageDraw.ImageDraw, hit: Hit, *, name: str, x: int, y: int) -> None:
    draw.text((x, y), _fitted(caption(hit, name=name), _font(17), TILE_PX), fill=INK, font=_font(17))
    draw.text((x, y + 22), _fitted(measures(hit), _font(14), TILE_PX), fill=FAINT, font=_font(14))


def measures(hit: Hit) -> str:
    """The confidence of the hit if it has one, its distances, and its label, that of people first, or its proposer."""
    parts = [
        f"{word} {value:.3f}"
        for word, value in (("meaning", hit.place.semantic), ("place", hit.place.geometric))
        if value is not None
    ]
    of = f" ({', '.join(parts)})" if parts else ""  # re-ranked and fused hits have neither
    certain = "" if hit.confidence is None else f"confidence {hit.confidence:.2f} · "
    shown = hit.place.human_label or hit.place.label or hit.place.proposer
    return f"{certain}distance {hit.distance:.3f}{of} · {visible(shown)}"


def _columns(tiles: int) -> int:
    return min(max(tiles, 1), 2 if tiles <= 4 else 3 if tiles <= 12 else 4)


def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size_px)  # ships inside Pillow: the same on every machine
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _fitted(text: str, font: ImageFont.FreeTypeFont, width_px: float) -> str:
    """The text, its middle replaced by … where it is too long: both ends of a path are informative."""
    keep = len(text)
    shown = text
    while keep > 1 and font.getlength(shown) > width_px:
        keep -= 1
        shown = f"{text[: (keep + 1) // 2]}…{text[len(text) - keep // 2 :]}"
    return shown
