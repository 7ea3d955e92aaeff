"""The views of SQL over a street of which all is known: catches things that are counted twice or lost, times that are
not those of the rows, and zones and lines that mean something else than they do in a search."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.analysis import lake_rows
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.sql import run_sql
from pipeline.lake.lake import Lake
from schemas.clock import Clock
from schemas.errors import QueryError
from schemas.sources import Source, recording_uri
from tests.pipeline.analysis.conftest import lake_of
from tests.pipeline.analysis.street import HIDDEN, LENGTH, STEP, Street, shown_at, walker_x
from tests.pipeline.lake.synthetic import World

SECONDS = [tick / 10 for tick in range(0, LENGTH, STEP)]
SEEN = [at_s for at_s in SECONDS if not HIDDEN[0] <= at_s < HIDDEN[1]]


BEGAN = datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Recording(Street):
    """A recording of the feed "gate". began: its first moment."""

    began: datetime = BEGAN

    @property
    def source(self) -> Source:
        clock = Clock(Fraction(1, 10), self.began)
        return replace(
            World(self.number, length=self.length).source, uri=recording_uri("gate", self.began), clock=clock
        )


def answered(rows: LakeRows, query: str) -> list[dict[str, object]]:
    return run_sql(rows, query).to_pylist()


def test_base_tables_have_the_rows_of_the_lake_in_seconds(street: LakeRows) -> None:
    [found] = answered(
        street,
        "SELECT (SELECT count(*) FROM frames) AS frames, count(*) AS regions, min(at_s) AS first, max(at_s) AS last, "
        "max(until_s) AS until FROM regions",
    )
    regions = sum(len(shown_at(at_s)) for at_s in SECONDS)
    assert found == {"frames": len(SECONDS), "regions": regions, "first": 0.0, "last": 9.5, "until": LENGTH / 10}


def test_a_thing_is_one_object_across_a_gap_and_its_double_is_none(street: LakeRows) -> None:
    found = answered(
        street, "SELECT label, first_s, last_s, keyframes, len(tracks) AS tracks FROM objects ORDER BY label"
    )
    assert found == [
        {"label": "car", "first_s": 0.0, "last_s": 9.5, "keyframes": len(SECONDS), "tracks": 1},
        {"label": "dog", "first_s": 3.0, "last_s": 3.0, "keyframes": 1, "tracks": 1},
        {"label": "person", "first_s": 0.0, "last_s": 9.5, "keyframes": len(SEEN), "tracks": 2},
    ]


def test_an_object_names_a_still_that_shows_it(street: LakeRows) -> None:
    found = answered(
        street,
        "SELECT o.label, r.label AS shown, o.frame = r.frame AS same, o.x0 = r.x0 AS placed FROM objects o "
        "JOIN regions r ON r.id = o.region",
    )
    assert len(found) == 3
    assert all(each["label"] == each["shown"] and each["same"] and each["placed"] for each in found)


def test_counts_are_of_things_that_were_seen_often_enough(street: LakeRows) -> None:
    found = answered(street, "SELECT label, at_s, objects, most_at_once FROM counts(step_s := 5) ORDER BY at_s, label")
    assert found == [
        {"label": label, "at_s": at_s, "objects": 1, "most_at_once": 1}
        for at_s in (0.0, 5.0)
        for label in ("car", "person")
    ]
    every = answered(street, "SELECT DISTINCT label FROM counts(least_keyframes := 1)")
    assert {each["label"] for each in every} == {"car", "dog", "person"}


def test_a_line_is_crossed_once_with_its_direction_and_moment(street: LakeRows) -> None:
    [down] = answered(street, "SELECT label, direction, at_s, x, y FROM crossings('0.3,0 0.3,1')")
    assert (down["label"], down["direction"]) == ("person", "left")  # of one who looks down the frame
    assert math.isclose(walker_x(down["at_s"]), 0.3, abs_tol=1e-5)
    assert math.isclose(down["x"], 0.3, abs_tol=1e-5)
    assert math.isclose(down["y"], 0.5, abs_tol=1e-5)
    [up] = answered(street, "SELECT direction FROM crossings('0.3,1 0.3,0')")
    assert up["direction"] == "right"


def test_a_line_that_ends_before_the_path_is_not_crossed(street: LakeRows) -> None:
    assert answered(street, "FROM crossings('0.3,0 0.3,0.45')") == []


def test_who_is_hidden_at_the_line_has_crossed_it(street: LakeRows) -> None:
    x = walker_x(4.5)
    assert len(answered(street, f"FROM crossings('{x},0 {x},1')")) == 1


def test_a_stay_in_a_zone_has_its_beginning_and_its_end(street: LakeRows) -> None:
    """At least half of the walker is in the zone from the keyframe at which its centre is there."""
    [found] = answered(
        street, "SELECT label, enter_s, leave_s, dwell_s FROM stays(zone := '0.59,0.2 1,0.2 1,0.65 0.59,0.65')"
    )
    first = next(at_s for at_s in SECONDS if walker_x(at_s) >= 0.59)
    assert found == {"label": "person", "enter_s": first, "leave_s": 10.0, "dwell_s": 10.0 - first}


def test_visits_are_separated_by_gaps_of_the_given_length(street: LakeRows) -> None:
    query = "SELECT enter_s, leave_s, objects FROM visits(gap_s := {}) WHERE label = 'person'"
    hidden_s = HIDDEN[1] - HIDDEN[0]
    assert answered(street, query.format(hidden_s + 0.1)) == [{"enter_s": 0.0, "leave_s": 10.0, "objects": 1}]
    assert answered(street, query.format(hidden_s)) == [
        {"enter_s": 0.0, "leave_s": HIDDEN[0], "objects": 1},
        {"enter_s": HIDDEN[1], "leave_s": 10.0, "objects": 1},
    ]


def test_a_visit_of_a_source_that_states_its_time_is_in_utc(street_lake: Lake) -> None:
    [found] = answered(
        LakeRows(street_lake, source="clip-1.mp4"), "SELECT enter, leave, dwell_s FROM visits WHERE label = 'car'"
    )
    assert found["enter"] == datetime(2026, 5, 1, 1, 0, 0)
    assert found["leave"] == datetime(2026, 5, 1, 1, 0, 10)
    assert found["dwell_s"] == 10.0


def test_recordings_of_a_feed_are_joined_by_utc(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", Recording(0, began=BEGAN), Recording(1, began=BEGAN + timedelta(seconds=10)))
    [visit] = answered(LakeRows(lake), "SELECT feed, enter, leave, dwell_s, objects FROM visits WHERE label = 'car'")
    began = BEGAN.replace(tzinfo=None)
    assert visit == {
        "feed": "gate",
        "enter": began,
        "leave": began + timedelta(seconds=20),
        "dwell_s": 20.0,
        "objects": 2,  # an object is within one recording
    }
    found = answered(
        LakeRows(lake, source="gate"), "SELECT time, objects, most_at_once FROM counts WHERE label = 'car'"
    )
    assert found == [{"time": began.replace(second=0), "objects": 2, "most_at_once": 1}]


def test_heat_has_every_sighting_in_one_cell(street: LakeRows) -> None:
    found = answered(street, "FROM heat(across := 10, down := 10)")
    assert sum(each["sightings"] for each in found) == len(SECONDS) + len(SEEN)
    [car] = [each for each in found if each["label"] == "car"]
    assert (car["cell_x"], car["cell_y"], car["objects"]) == (1, 8, 1)  # of its centre
    assert math.isclose(car["seconds"], 10.0)


def test_sources_that_one_may_not_see_are_in_no_answer(street_lake: Lake) -> None:
    [shown, hidden] = sorted(street_lake.read("sources", columns=["id"])["id"].to_pylist())
    rows = LakeRows(street_lake, allowed=frozenset({shown}))
    tables = [
        f"SELECT source_id AS id FROM {table}" for table in ("frames", "regions", "shots", "objects", "sightings")
    ]
    query = " UNION ALL ".join(
        f"SELECT id, count(*) AS n FROM ({each}) GROUP BY id" for each in [*tables, "FROM sources"]
    )
    found = answered(rows, query)
    assert [each["id"] for each in found] == [shown] * 6 != [hidden] * 6
    assert all(each["n"] > 0 for each in found)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("FROM crossings('0.5,0')", "'0.5,0' is no line"),
        ("FROM visits(zone := '0,0 1,1 1,0 0,1')", "two sides of the zone meet"),
        ("FROM stays(zone := 'gate=0,0,1,1')", "choose that by WHERE"),
    ],
)
def test_what_is_drawn_wrongly_is_refused(street: LakeRows, query: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        run_sql(street, query)


def test_many_ids_are_read_as_few_are(street: LakeRows, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = street.read("frames", ["id", "pts"])["id"].to_pylist()[3:9]
    few = street.read_ids("frames", ["id", "pts_s", "pts"], ids)
    monkeypatch.setattr(lake_rows, "_MOST_IDS", 2)
    assert few.num_rows == len(ids)
    assert street.read_ids("frames", ["id", "pts_s", "pts"], ids).sort_by("id") == few.sort_by("id")


def test_a_source_that_the_lake_lacks_is_named(street_lake: Lake) -> None:
    with pytest.raises(QueryError, match=r"no source of .* matches 'garden'"):
        LakeRows(street_lake, source="garden")
