"""SQL over HTTP: catches rows of a source that the asker may not see, a path of the server in an answer, a query that
does more than read or that runs for ever, and an answer that differs from that of the lake itself."""

from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import pytest

import regionlake as rl
from deploy.server.analysing import sql_desk
from deploy.server.analysing.sql_desk import SqlDesk
from deploy.server.auditing.audit_log import audit_folder, read_audit
from deploy.server.showing.catalogue import CatalogueReader, Sources
from operators.encoders.encoder import Encoder
from pipeline.analysis.sql import SqlLimits
from pipeline.labels.label_table import Labels
from pipeline.lake.lake import Lake
from schemas.errors import QueryError
from schemas.query import Moment
from tests.deploy.server.conftest import World
from tests.deploy.server.with_users import As
from tests.pipeline.labels.label_of import label_of
from tests.waiting import wait_until

TABLES = (
    "sources",
    "shots",
    "frames",
    "regions",
    "labels",
    "objects",
    "sightings",
    "visits",
    "stays",
    "counts",
    "heat",
)


def test_it_answers_what_the_lake_itself_does(url: str, local: rl.Lake) -> None:
    query = "SELECT round(at_s, 3) AS at_s, count(*) AS n FROM regions GROUP BY ALL ORDER BY at_s"
    with rl.connect(url) as lake:
        assert lake.sql(query) == local.sql(query).to_pylist()
        things = "SELECT object, label, keyframes FROM objects ORDER BY object"
        assert lake.sql(things) == local.sql(things).to_pylist()
        assert len(lake.sql("SELECT * FROM regions LIMIT 5", rows=5)) == 5
        with pytest.raises(QueryError, match="more than 5 rows"):
            lake.sql("SELECT * FROM regions", rows=5)


def test_sources_and_times_restrict_what_is_read(url: str, local: rl.Lake) -> None:
    counted = "SELECT count(*) AS n FROM frames"
    bounds: tuple[tuple[Moment | None, Moment | None], ...] = ((None, None), (1.0, None), (1.0, 3.0))
    with rl.connect(url) as lake:
        bikes = next(each["id"] for each in lake.sources() if each["name"] == "bikes.mp4")
        for since, until in bounds:
            expected = local.sql(counted, source="bikes", since=since, until=until).to_pylist()
            assert lake.sql(counted, sources=[bikes], since=since, until=until) == expected
            assert expected != local.sql(counted).to_pylist()
        assert lake.sql(counted, since=datetime(2026, 5, 1, tzinfo=UTC)) == [{"n": 0}]  # the clip states no time
        with pytest.raises(QueryError, match="no source"):
            lake.sql(counted, sources=["0" * 32])


def test_values_are_json_whatever_they_are(web: httpx.Client) -> None:
    query = (
        "SELECT 'NaN'::FLOAT AS a, [1, 2] AS b, TIMESTAMP '2026-05-01 12:00:00' AS c, {'x': 1.5} AS d, 1.25::DECIMAL "
        "AS e, 'a'::BLOB AS f, NULL AS g, 2 AS g"
    )
    answer = web.post("/api/sql", json={"query": query}).json()
    assert [each["name"] for each in answer["columns"]] == ["a", "b", "c", "d", "e", "f", "g", "g"]
    assert answer["rows"] == [[None, [1, 2], "2026-05-01T12:00:00", {"x": 1.5}, 1.25, "61", None, 2]]


def test_nobody_gets_rows_of_a_source_that_they_do_not_see(as_user: As, own_lake: Path) -> None:
    lake = Lake.open(str(own_lake))
    source = lake.read("sources", columns=["id", "source"]).to_pylist()
    street = next(row["id"] for row in source if row["source"].endswith("street.png"))
    region = lake.read("regions", where=f"source_id = '{street}'").to_pylist()[0]
    Labels(lake).add([label_of(region, "secret")])
    everything = " UNION ALL ".join(f"SELECT '{name}' AS name, x::VARCHAR AS row FROM {name} x" for name in TABLES)
    found = {}
    for user in ("viewer", "guest", "nobody"):
        answer = as_user(user).post("/api/sql", json={"query": everything, "rows": 10_000})
        assert answer.status_code == 200, answer.text
        assert str(own_lake.parent) not in answer.text
        assert "/videos/" not in answer.text
        found[user] = answer.json()["rows"]
    assert found["nobody"] == []
    for name in ("sources", "frames", "regions", "labels"):
        assert any(table == name and "street.png" in row for table, row in found["viewer"])
    assert {table for table, _ in found["guest"]} >= {"sources", "frames", "regions"}
    for secret in ("street.png", street, "secret"):
        assert not any(secret in row for _, row in found["guest"])
    [(count,)] = as_user("guest").post("/api/sql", json={"query": "SELECT count(*) FROM sources"}).json()["rows"]
    assert count == 1


def test_hits_and_frames_have_what_people_say_for_those_who_see_the_source(as_user: As, own_lake: Path) -> None:
    lake = Lake.open(str(own_lake))
    region = [row for row in lake.read("regions").to_pylist() if row["source"].endswith("street.png")][-1]
    Labels(lake).add([label_of(region, "tram")])
    box = [region[side] for side in ("x0", "y0", "x1", "y1")]
    viewer, guest = as_user("viewer"), as_user("guest")

    def said() -> set[tuple[str, str, str]]:
        hits = viewer.post("/api/search", json={"box": box, "k": 1000}).json()["hits"]
        return {(hit["region_id"], hit["human_label"], hit["verdict"]) for hit in hits if hit["verdict"]}

    wait_until(lambda: (region["id"], "tram", "right") in said())
    assert "tram" not in guest.post("/api/search", json={"box": box, "k": 1000}).text
    shown = viewer.get(f"/api/frames/{region['frame']}").json()["regions"]
    assert {each["id"]: each["human_label"] for each in shown}[region["id"]] == "tram"
    assert guest.get(f"/api/frames/{region['frame']}").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE regions",
        "SELECT 1; SELECT 2",
        "COPY sources TO '/tmp/x.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "ATTACH 'x.db'",
        "SELECT getenv('HOME')",
        "SELEC 1",
        "SELECT * FROM " + "(" * 9000 + "x" + ")" * 9000,  # takes minutes to parse, in which nothing else runs
        "SELECT * FROM /*)*/" + "(/*)*/" * 1000 + "x" + ")" * 1000,
        "SELECT 'infinity'::TIMESTAMP",
        "SELECT '290000-01-01'::TIMESTAMP",
        "SELECT " + ", ".join(["1"] * 3000),
        "SELECT MAP {'a': 'b'::ENUM('b')}",
        "SELECT * FROM nothing",
        " ",
    ],
)
def test_what_does_more_than_read_is_refused_in_a_sentence(web: httpx.Client, query: str) -> None:
    answer = web.post("/api/sql", json={"query": query})
    assert answer.status_code == 422, answer.text
    sentence = answer.json()["error"]
    assert sentence
    assert "\n" not in sentence
    assert "root:" not in sentence


def test_a_query_that_runs_for_ever_or_answers_too_much_is_stopped(world: World) -> None:
    def no_model() -> Encoder:
        raise AssertionError("these queries name no thing")

    lake = Lake.open(str(world.lake))
    sources = Sources(CatalogueReader(lake))
    desk = SqlDesk(lake, no_model, limits=SqlLimits(timeout_s=1.0, memory_bytes=2**29, result_bytes=2**20))
    with pytest.raises(QueryError, match="ran for more than 1 s"):
        desk.answer("SELECT sum(sin(range)) FROM range(1000000000000)", sources, rows=1)
    desk = SqlDesk(lake, no_model, limits=SqlLimits(timeout_s=300.0, memory_bytes=2**29, result_bytes=2**20))
    with pytest.raises(QueryError, match="the answer has more than 1 MiB"):
        desk.answer("SELECT range FROM range(10000000)", sources, rows=1)
    desk = SqlDesk(lake, no_model, limits=SqlLimits(table_bytes=2**10))
    with pytest.raises(QueryError, match="are read: choose sources"):
        desk.answer("FROM visits", sources, rows=1)
    assert desk.answer("SELECT count(*) AS n FROM sources", sources, rows=1)["rows"] == [[2]]  # and it goes on


@pytest.mark.parametrize(
    "query",
    [
        # one text of 10 kB that every value has: 100 MB for a column of 10,000
        f"WITH e AS (SELECT '{'x' * 9000}'::ENUM('{'x' * 9000}') AS a) SELECT a, [a], {{'a': a}} FROM e, range(10000)",
        "SELECT list(true) FROM range(20000000)",  # of a bit
    ],
)
def test_an_answer_that_is_small_only_as_it_is_stored_is_refused(web: httpx.Client, query: str) -> None:
    answer = web.post("/api/sql", json={"query": query, "rows": 10_000})
    assert answer.status_code == 422, answer.text[:1000]
    assert "more than" in answer.json()["error"] or "at most" in answer.json()["error"]


def test_names_of_an_enum_are_texts(web: httpx.Client) -> None:
    query = "SELECT 'b'::ENUM('a', 'b') AS a, ['b'::ENUM('a', 'b'), NULL] AS b, {'x': 'a'::ENUM('a')} AS c"
    answer = web.post("/api/sql", json={"query": query}).json()
    assert answer["rows"] == [["b", ["b", None], {"x": "a"}]]
    assert answer["columns"][0] == {"name": "a", "type": "string"}


def test_things_are_found_once_for_each_state_of_the_lake(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    find = sql_desk.find_objects

    def counted(*args: object, **options: object) -> object:
        found.append(1)
        return find(*args, **{**options, "find_odds": lambda _: None})  # type: ignore[arg-type]

    monkeypatch.setattr(sql_desk, "find_objects", counted)
    lake = Lake.open(str(world.lake))
    desk = SqlDesk(lake, lambda: pytest.fail("no model is needed"))
    sources = Sources(CatalogueReader(lake))
    first = desk.answer("SELECT count(*) FROM objects", sources, rows=1)
    assert desk.answer("SELECT count(*) FROM objects", sources, rows=1) == first
    assert len(found) == 1


def test_who_asked_what_is_recorded(as_user: As, own_lake: Path) -> None:
    query = "SELECT count(*) AS audited FROM frames"
    assert as_user("viewer").post("/api/sql", json={"query": query}).status_code == 200
    entries = [entry for entry in read_audit(audit_folder(str(own_lake))) if query in repr(entry)]
    assert [(entry["who"], entry["action"]) for entry in entries] == [("viewer", "sql")]
