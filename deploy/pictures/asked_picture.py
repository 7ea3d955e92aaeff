"""The picture of a query as a tile of a contact sheet: with the region, the points and the part that it looks for."""

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from schemas.errors import RegionLakeError
from schemas.query import SearchResult

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake

_INSIDE = (85, 211, 138)
_OUTSIDE = (255, 107, 94)


def asked_picture(result: SearchResult, lake: "Lake") -> Image.Image | None:
    """The picture or keyframe of the query, at the size of a tile; None where it has none, or it is gone.

    The part that is looked for is dashed, its mask tinted where points or a box chose it, and points are dots.
    """
    query = result.query
    if not query.has_picture:
        return None
    from deploy.pictures.contact_sheet import draw_asked
    from pipeline.search.query_picture import prompted_region, query_picture

    prompts, mask = query.prompts, None
    try:
        shown = query_picture(query, lake)
        assert shown is not None  # the query has one
        if prompts is not None and prompts.text is None:  # words need the model, which is not loaded for a picture
            mask = prompted_region(shown, prompts, None).mask
    except RegionLakeError:  # it was read for the search, and is gone since
        return None
    part = result.region or query.roi
    tile = draw_asked(Image.fromarray(shown.image), part=part, mask=mask)
    draw = ImageDraw.Draw(tile)
    for points, colour in ((query.points, _INSIDE), (query.not_points, _OUTSIDE)):
        for x, y in points:
            at = x * (tile.width - 1), y * (tile.height - 1)
            draw.circle(at, 6, fill=colour, outline=(255, 255, 255), width=2)
    return tile
