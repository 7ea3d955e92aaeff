"""Hits in notebooks and as tables: catches pictures without boxes, text that is not escaped, and missing columns."""

import base64
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import regionlake as rl
from deploy.pictures.contact_sheet import HIT, QUERY
from deploy.tables.hits_table import hits_table
from schemas.query import SearchResult
from schemas.query_json import hit_json

BOX = (0.2, 0.2, 0.7, 0.8)


@pytest.fixture(scope="module")
def hits(lake: rl.Lake) -> rl.Hits:
    return lake.search(box=BOX, k=3)


def pictures(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))).astype(int) for each in found]


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    """The number of pixels of about this colour, which JPEG changes a little."""
    return int((np.abs(picture - colour).max(axis=-1) < 60).sum())


def test_a_notebook_shows_every_frame_with_both_boxes(hits: rl.Hits) -> None:
    drawn = pictures(hits._repr_html_())
    assert len(drawn) == len(hits) == 3
    for picture in drawn:
        assert near(picture, HIT) > 200
        assert near(picture, QUERY) > 200


def test_nothing_of_a_query_or_a_source_is_taken_for_html(hits: rl.Hits) -> None:
    evil = "<script>alert('x')</script>&"
    query = rl.Query(text=evil, box=BOX, not_text=(evil,))
    place = replace(hits[0].place, label=evil)
    result = SearchResult(query, 1.0, True, 9, (replace(hits[0], source=f"/{evil}.mp4", place=place),))
    html = rl.Hits(result, hits._lake)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<div") == html.count("</div>")
    assert html.count("<figure") == html.count("</figure>") == 1


def test_no_hits_show_as_none(lake: rl.Lake) -> None:
    none = lake.search(box=BOX, source="nowhere")
    assert (len(none), list(none), none[:1]) == (0, [], ())
    assert repr(none) == f"0 hits of 0 regions and frames in {none.took_ms:.0f} ms"
    assert pictures(none._repr_html_()) == []
    assert none.to_arrow().num_rows == 0
    assert "source" in none.to_arrow().column_names


def test_a_repr_has_a_line_for_every_hit(hits: rl.Hits) -> None:
    first, *lines = repr(hits).splitlines()
    assert first.startswith("3 hits of ")
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    assert all("bikes.mp4" in line for line in lines)


def test_a_table_has_what_json_has_and_knows_its_types(hits: rl.Hits) -> None:
    table = hits.to_arrow()
    assert {*hit_json(hits[0])} <= {*table.column_names}
    assert table.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert table["box"].to_pylist() == [list(hit.place.box) for hit in hits]
    assert table["distance"].to_pylist() == [hit.distance for hit in hits]
    assert hits.to_pandas()["rank"].tolist() == [1, 2, 3]
    assert [hit["rank"] for hit in json.loads(hits.to_json())["hits"]] == [1, 2, 3]


def test_what_followed_is_a_column_where_it_was_asked_for(hits: rl.Hits) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    query = rl.Query(text="a dog", then="a cat")
    both = (replace(hits[0], then=replace(hits[1], time=noon)), hits[2])
    table = hits_table(SearchResult(query, 1.0, True, 9, both))
    follows = table["then"].to_pylist()
    assert (follows[0]["frame_id"], follows[0]["time"]) == (hits[1].frame_id, noon)
    assert follows[1] is None
