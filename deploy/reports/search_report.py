"""A report of a search: one HTML file with its pictures in it, without scripts, to be handed to somebody else."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

from PIL import Image

from deploy.pictures.contact_sheet import caption, drawn_hit, measures, title
from deploy.reports.html_report import html_report
from deploy.wording import counted, short_names
from schemas.masks import Mask
from schemas.query import Hit, SearchResult

_STYLE = """
img { display: block; max-width: 100%; }
figure { margin: 0 0 20px; } figcaption { color: #56616c; } figure img { border-radius: 8px; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 12px; padding: 0; }
li { overflow: hidden; list-style: none; border: 1px solid #d8dee4; border-radius: 10px; break-inside: avoid; }
li img { width: 100%; } li p { margin: 8px 10px; overflow-wrap: anywhere; } li b { color: #14191f; }
"""
_JPEG_QUALITY = 88


def report_html(
    result: SearchResult,
    thumbnails: Mapping[str, bytes],
    masks: Mapping[str, Mask],
    *,
    asked: Image.Image | None = None,
) -> str:
    """The report as HTML. thumbnails, masks: as for `draw_contact_sheet`. asked: the picture of the query."""
    found = (
        f"{counted(len(result.hits), 'hit')} of {result.candidates:,} regions and frames in {result.took_ms:.0f} ms, "
        f"{'exact' if result.exact else 'approximate'}"
    )
    items = "".join(_items(result.hits, thumbnails, masks, result))
    return html_report(title(result.query), about=found, style=_STYLE, body=f"{_asked(asked)}<ol>\n{items}</ol>")


def _asked(picture: Image.Image | None) -> str:
    if picture is None:
        return ""
    return f'<figure><img alt="" src="{_embedded(picture)}"><figcaption>What was asked</figcaption></figure>\n'


def _items(
    hits: Sequence[Hit], thumbnails: Mapping[str, bytes], masks: Mapping[str, Mask], result: SearchResult
) -> list[str]:
    names = short_names([hit.source for hit in hits])
    return [
        f'<li><img alt="" src="{_embedded(drawn_hit(hit, thumbnails, masks, query=result.query))}">'
        f"<p><b>{hit.rank} · {escape(caption(hit, name=names[hit.source]))}</b><br>{escape(measures(hit))}"
        f"<br>{hit.frame_id}</p></li>\n"
        for hit in hits
    ]


def _embedded(picture: Image.Image) -> str:
    """The picture as an address that holds it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
