"""The HTML of hits for notebooks: their frames, with the boxes of the hits and the query box drawn on them."""

import base64
import io
from collections.abc import Iterator
from html import escape

from PIL import Image

from deploy.pictures.contact_sheet import HIT, QUERY, Stored, caption, drawn_hits, measures, place_name, title
from deploy.wording import short_names
from pipeline.lake.lake import Lake
from regionlake.text import summary
from schemas.query import Hit, SearchResult

_FIGURE = "margin:0;width:240px;border-radius:6px;overflow:hidden;border:1px solid rgba(128,128,128,.35)"
_FAINT = "opacity:.65"


def hits_html(result: SearchResult, lake: Lake | Stored) -> str:
    """One HTML element that contains its pictures, and needs no style sheet, which a notebook might remove."""
    return "".join(_parts(result, lake))


def _parts(result: SearchResult, lake: Lake | Stored) -> Iterator[str]:
    yield '<div style="font:13px/1.45 system-ui,sans-serif">'
    yield f'<div style="font-size:16px;font-weight:600">{escape(title(result.query))}</div>'
    yield f'<div style="margin:2px 0 10px"><span style="{_FAINT}">{escape(summary(result))}</span>'
    yield _legend("hit", HIT, "solid")
    if name := place_name(result.query):
        yield _legend(name, QUERY, "dashed")
    yield '</div><div style="display:flex;flex-wrap:wrap;gap:12px;align-items:flex-start">'
    names = short_names([hit.source for hit in result.hits])
    for hit, picture in drawn_hits(result, lake):
        yield _figure(hit, picture, name=names[hit.source])
    yield "</div></div>"


def _figure(hit: Hit, picture: Image.Image, *, name: str) -> str:
    image = f'<img alt="hit {hit.rank}" style="display:block;width:100%;margin:0" src="{_data_url(picture)}">'
    where = f'<div style="overflow-wrap:anywhere">{escape(caption(hit, name=name))}</div>'
    how = f'<div style="{_FAINT};font-size:12px">{escape(measures(hit))}</div>'
    then = ""
    if hit.then is not None:
        then = f'<div style="{_FAINT};font-size:12px">{escape(f"then {caption(hit.then, name=name)}")}</div>'
    return (
        f'<figure style="{_FIGURE}">{image}'
        f'<figcaption style="padding:6px 9px 8px;text-align:left">{where}{how}{then}</figcaption></figure>'
    )


def _data_url(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _legend(name: str, colour: tuple[int, int, int], line: str) -> str:
    box = f"display:inline-block;width:14px;height:9px;margin:0 6px 0 16px;border:2px {line} rgb{colour}"
    return f'<span style="{box}"></span><span>{escape(name)}</span>'
