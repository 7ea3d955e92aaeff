"""What is exported: catches regions of other sources or times, a thing that is exported twice, and near duplicates."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from operators.encoders.calibration import Calibration
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.likely_class import ClassOdds
from pipeline.export.dataset import ExportedFrame
from pipeline.export.selection import Everything, most_different, of_everything, of_hits
from pipeline.lake.lake import Lake
from pipeline.lake.writing.committer import Committer
from pipeline.search.searcher import Searcher
from schemas.errors import QueryError
from schemas.query import Query
from tests.pipeline.analysis.street import LENGTH, STEP, Street, add_street, shown_at
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.search.drawn import CalibratedEncoder, DrawnEncoder

SECONDS = [tick / 10 for tick in range(0, LENGTH, STEP)]
START = datetime(2026, 5, 1, 1, tzinfo=UTC)  # of street 1


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.create_or_open(str(tmp_path_factory.mktemp("export") / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as committer:
        for street in (Street(0), Street(1, timed=True), Street(2, labelled=False)):
            add_street(committer, street)
    return lake


def shown(frames: list[ExportedFrame]) -> list[tuple[float, list[str]]]:
    return [(each.at_s, sorted(one.label for one in each.annotations)) for each in frames]


def expected(at_s: float) -> list[str]:
    """The labels of a keyframe; the walker's second box is on the first one."""
    return sorted({each.label or "" for each in shown_at(at_s)})


def test_everything_of_a_source_is_each_labelled_thing_once(lake: Lake) -> None:
    found = of_everything(LakeRows(lake), Everything(source="clip-0.mp4"))
    assert shown(found) == [(at_s, expected(at_s)) for at_s in SECONDS]


def test_bounds_of_time_are_half_open_and_of_the_clock_that_they_are_written_in(lake: Lake) -> None:
    rows = LakeRows(lake)
    found = of_everything(rows, Everything(source="clip-0.mp4", since=1.0, until=2.5))
    assert [each.at_s for each in found] == [1.0, 1.5, 2.0]
    by_utc = of_everything(rows, Everything(since=START + timedelta(seconds=8), until=START + timedelta(seconds=9)))
    assert [(each.at_s, each.time) for each in by_utc] == [
        (at_s, (START + timedelta(seconds=at_s)).replace(tzinfo=None)) for at_s in (8.0, 8.5)
    ]


def test_one_label_names_all(lake: Lake) -> None:
    found = of_everything(LakeRows(lake), Everything(source="clip-2.mp4", until=0.5), label="thing")
    assert shown(found) == [(0.0, ["thing", "thing"])]


def odds_of(_: Lake) -> ClassOdds:
    """Of two classes, whose vectors are those of the street's car and walker."""
    names, vectors = ("car", "person"), np.eye(SPACE.dimension, dtype=np.float32)[[1, 2]]
    calibration: Calibration = CalibratedEncoder().calibration
    return ClassOdds(names, calibration, tuple(calibration.evidence(each, "words") for each in vectors))


def test_regions_without_a_label_get_the_likeliest_class_if_it_is_likely_enough(lake: Lake) -> None:
    rows = LakeRows(lake)
    sure = of_everything(rows, Everything(source="clip-2.mp4", until=0.5), find_odds=odds_of)
    assert shown(sure) == [(0.0, ["car", "person"])]
    assert all(0.5 <= (each.confidence or 0) <= 1 for one in sure for each in one.annotations)
    assert of_everything(rows, Everything(source="clip-2.mp4", least_confidence=1.0), find_odds=odds_of) == []


def test_a_lake_whose_model_names_nothing_asks_for_a_label(lake: Lake) -> None:
    with pytest.raises(QueryError, match="give a query, or one label for all"):
        of_everything(LakeRows(lake), Everything(source="clip-2.mp4"), find_odds=lambda _: None)


def test_hits_are_exported_in_their_order_with_the_region_that_was_found(lake: Lake) -> None:
    rows = LakeRows(lake)
    result = Searcher(lake, DrawnEncoder()).search(Query(text="anything", box=(0.0, 0.7, 0.3, 1.0), k=5))
    found = of_hits(rows, result)
    assert [each.annotations[0].region for each in found] == [hit.place.region_id for hit in result.hits]
    assert {each.annotations[0].label for each in found} == {"car", "anything"}  # of street 2 by the words
    assert [each.annotations[0].distance for each in found] == [hit.distance for hit in result.hits]


def test_the_most_different_of_many_alike_are_one_of_each(lake: Lake) -> None:
    rows = LakeRows(lake)
    everything = of_everything(rows, Everything(source="clip-0.mp4"))
    few = most_different(rows, everything, count=10)
    assert sorted(each.label for one in few for each in one.annotations) == ["car", "dog", "person"]
    assert len([each for one in most_different(rows, everything, count=2) for each in one.annotations]) == 2


def test_an_id_that_no_source_has_is_named(lake: Lake) -> None:
    with pytest.raises(QueryError, match=r"no source of .* has the id 'x'"):
        of_everything(LakeRows(lake), Everything(source_ids=("x",)))
