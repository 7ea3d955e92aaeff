"""Labels and tracks of hits: catches labels of other regions, and tracks and labels of people that are never shown
because they are written after the regions."""

from dataclasses import replace
from functools import partial

import pyarrow as pa
import pytest

from operators.tracking.tracker import TrackConfig, Tracker
from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.labels.label_table import Labels
from pipeline.lake.database import connect
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from schemas.query import Place, Query
from schemas.sources import Segment
from tests.pipeline.labels.label_of import label_of
from tests.pipeline.lake.synthetic import World, fold_shots, stored
from tests.pipeline.search.drawn import DrawnEncoder

NEW = partial(Tracker, TrackConfig(gate_cosine=-1.0, most_gate_sides=50.0, gate_sides=50.0, gate_shape=1e6))
NAMES = ("dog", "red car", None)


class NamedWorld(World):
    """Regions with labels, and every third without."""

    def rows(self, segment: Segment, *, patches: bool = False) -> SegmentRows:
        rows = super().rows(segment, patches=patches)
        labels = pa.array([NAMES[(i + segment.span.start) % 3] for i in range(rows.regions.num_rows)])
        place = rows.regions.schema.get_field_index("label")
        named = rows.regions.set_column(place, rows.regions.schema.field("label"), labels)
        return replace(rows, regions=named)


def test_hits_know_the_label_and_the_track_of_their_region(empty_lake: Lake) -> None:
    searcher = Searcher(Lake.open(empty_lake.uri), DrawnEncoder())
    query = Query(text="anything", k=10_000)
    with Committer(empty_lake, plan=stored(), fold_shots=fold_shots, new_tracker=NEW) as writer:
        for world in (NamedWorld(0), NamedWorld(1)):
            for segment in world.segments(2):
                writer.commit([world.rows(segment)])
                held = {
                    row["id"]: (row["label"], row["track"])
                    for row in empty_lake.read("regions", columns=["id", "label", "track"]).to_pylist()
                }
                hits = [hit for hit in searcher.search(query).hits if hit.place.region_id is not None]
                assert {hit.place.region_id: (hit.place.label, hit.place.track) for hit in hits} == {
                    hit.place.region_id: held[hit.place.region_id] for hit in hits
                }
    assert {hit.place.label for hit in hits} == set(NAMES)
    assert {hit.place.track is None for hit in hits} == {True, False}  # windows of a grid have none


def test_a_whole_frame_has_neither(random_lake: Lake) -> None:
    found = Searcher(random_lake, DrawnEncoder(), proposers=frozenset({"frame"})).search(Query(text="anything"))
    assert {(hit.place.label, hit.place.track) for hit in found.hits} == {(None, None)}


def test_hits_know_what_people_say_as_it_is_imported_and_removed(
    empty_lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    with Committer(empty_lake, plan=stored(), fold_shots=fold_shots) as writer:
        for segment in World(0).segments(1):
            writer.commit([World(0).rows(segment)])
    lake = Lake.open(empty_lake.uri)
    searcher = Searcher(lake, DrawnEncoder(), proposers=frozenset({"moving"}))

    def hits() -> list[Place]:
        return [hit.place for hit in searcher.search(Query(text="anything", k=20)).hits]

    def said() -> dict[str | None, tuple[str | None, str | None]]:
        return {each.region_id: (each.human_label, each.verdict) for each in hits() if each.verdict is not None}

    rows = {row["id"]: row for row in lake.read("regions").to_pylist()}
    first, second = (rows[each.region_id] for each in hits()[:2])
    assert said() == {}
    labels = Labels(empty_lake)
    right, wrong = label_of(first, "van"), label_of(second, "dog", verdict="wrong")
    labels.add([right, wrong])
    assert said() == {first["id"]: ("van", "right"), second["id"]: (None, "wrong")}
    labels.remove([right.id])
    assert said() == {second["id"]: (None, "wrong")}
    labels.add([right])
    connect(lake.uri).open_table("labels").update(where=f"id = '{right.id}'", values={"label": ""})
    assert said() == {second["id"]: (None, "wrong")}
    assert f"remove it with: regionlake labels remove {right.id}" in caplog.text
