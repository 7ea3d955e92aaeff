"""Work handed to the process of a follower: catches a backfill, a re-embedding or a pass of upkeep that is refused
beside one, that gives other rows than alone, that loses some when the follower ends in the middle, or that another user
can hand over."""

import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.forget.places import Place, places_to_forget
from pipeline.forget.run import Forgotten, forget
from pipeline.ingest.engines.engine import LakeWriter
from pipeline.lake.audit.check import check
from pipeline.lake.audit.compare import compare
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_status import UpkeepStatus
from pipeline.lake.writing.committer import Committer
from pipeline.lake.writing.extra_vector_column import ExtraVectorColumn, NewVectors
from pipeline.live.handed import follower_link, handed_writer, local_socket
from pipeline.live.handed.follower_link import FollowerEndedError, FollowerLink, find_follower
from pipeline.live.handed.handed_json import config_from_json, config_to_json
from pipeline.live.handed.handed_writer import open_column_writer, open_writer
from pipeline.live.handed.messages import receive, send
from pipeline.live.handed.writer_server import WriterServer
from pipeline.live.status.state_folder import StateFolder
from pipeline.plan.plan import Plan
from pipeline.plan.stored_plan import StoredPlan
from schemas.clock import Span
from schemas.errors import LakeError, PlanConflictError
from schemas.vectors import VectorSpace
from tests.pipeline.lake.synthetic import OTHER_PLAN, SPACE, World, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import Recording

LIVE, FILE = World(1), World(2, plan=OTHER_PLAN)


class SyntheticPlan(Plan):
    """A plan of the vectors of these tests."""

    space = SPACE  # type: ignore[assignment]


class Follower:
    """The committer of a follower, with its server."""

    def __init__(self, lake: Lake) -> None:
        self.committer = Committer(lake, plan=stored(), fold_shots=fold_shots)
        self.server = WriterServer(
            self.committer,
            StateFolder.of(lake.uri).path,
            open_beside=self._open_beside,
            run_pass=self._run_pass,
            forget=self._forget,
        )
        self.committer.before_close = self.server.close
        self.opened: list[str] = []

    def close(self) -> None:
        self.committer.close()

    def _open_beside(self, _: Plan, plan: StoredPlan) -> Committer:
        self.opened.append(plan.hash)
        return Committer(self.committer.lake, plan=plan, fold_shots=fold_shots, beside=self.committer)

    def _forget(self, places: Sequence[Place], *, pinned: bool) -> Forgotten:
        lake = Lake.open(self.committer.lake.uri)
        return forget(lake, places, open_writer=lambda: nullcontext(self.committer), pinned=pinned, alone=False)

    def _run_pass(self, config: UpkeepConfig) -> UpkeepStatus:
        upkeep = Upkeep(self.committer, config)
        upkeep.run_pass()
        return upkeep.status()


@pytest.fixture
def follower(lake: Lake) -> Iterator[Follower]:
    made = Follower(lake)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def synthetic_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of these tests are of no real plan."""
    plan = stored(OTHER_PLAN)
    of = {"hash": plan.hash, "settings": plan.settings, "toml": plan.toml, "version": plan.version}
    monkeypatch.setattr(handed_writer, "handed_plan_to_json", lambda _: {**of, "legacy_hash": None, "plan": ""})


def open_committer(lake: str, *, linker: object = None) -> LakeWriter:
    assert linker is None
    return Committer(Lake.open(lake), plan=stored(OTHER_PLAN), fold_shots=fold_shots)


def writer_beside(lake: Lake) -> LakeWriter:
    return open_writer(lake.uri, SyntheticPlan(), partial(open_committer, lake.uri))


def ingest(writer: LakeWriter, world: World, *, pieces: int = 3) -> int:
    """As a run of an ingest does it."""
    assert writer.register(world.source, replace=False) == [world.source.span]
    return sum(writer.commit([world.rows(each)]) for each in world.segments(pieces))


class ClosedLinker:
    """Stands for a model that holds a GPU."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def refused(**_: object) -> LakeWriter:
    raise LakeError("a test")


def test_a_linker_is_closed_where_no_committer_can_be_opened(lake: Lake) -> None:
    linker = ClosedLinker()
    with pytest.raises(LakeError, match="a test"):
        open_writer(lake.uri, SyntheticPlan(), refused, linker=linker)  # type: ignore[arg-type]
    assert linker.closed == 1


def test_a_linker_is_closed_where_none_can_be_opened_after_a_follower(lake: Lake) -> None:
    linker, follower = ClosedLinker(), Follower(lake)
    writer = open_writer(lake.uri, SyntheticPlan(), refused, linker=linker)  # type: ignore[arg-type]
    follower.close()
    with pytest.raises(LakeError, match="a test"):
        writer.quarantine("/none.mp4", error="a test")
    writer.close()
    assert linker.closed == 1


def test_a_backfill_of_another_plan_is_committed_by_the_follower_as_it_would_be_alone(
    follower: Follower, lake: Lake, tmp_path: Path
) -> None:
    writer = writer_beside(lake)
    follower.committer.commit([LIVE.rows(each) for each in LIVE.segments(1)])
    assert ingest(writer, FILE) == 3
    [segment] = World(4, plan=OTHER_PLAN).segments()
    writer.fail(segment, state="failed", error="the decoder died")
    writer.quarantine("/videos/empty.mp4", error="it is empty")
    writer.close()
    assert follower.opened == [OTHER_PLAN]
    assert follower.committer.commit([LIVE.rows(each) for each in LIVE.segments(1)]) == 0  # it still writes

    alone = Lake.create_or_open(str(tmp_path / "alone"), SPACE)
    with Committer(alone, plan=stored(), fold_shots=fold_shots) as own:
        own.commit([LIVE.rows(each) for each in LIVE.segments(1)])
    with Committer(alone, plan=stored(OTHER_PLAN), fold_shots=fold_shots) as own:
        ingest(own, FILE)
        own.fail(segment, state="failed", error="the decoder died")
        own.quarantine("/videos/empty.mp4", error="it is empty")
    assert compare(lake, alone) == ()
    assert check(lake).problems == ()


def test_what_the_follower_refuses_is_raised_as_it_would_be_alone(follower: Follower, lake: Lake) -> None:
    follower.committer.commit([LIVE.rows(each) for each in LIVE.segments(1)])
    writer = writer_beside(lake)
    with pytest.raises(PlanConflictError, match="under another plan"):
        writer.register(LIVE.source, replace=False)
    assert writer.register(LIVE.source, replace=True) == [LIVE.source.span]
    writer.close()


def test_a_backfill_continues_alone_when_the_follower_ends(follower: Follower, lake: Lake) -> None:
    writer = writer_beside(lake)
    first, *others = FILE.segments(3)
    writer.register(FILE.source, replace=False)
    assert writer.commit([FILE.rows(first)]) == 1
    follower.close()
    assert [writer.commit([FILE.rows(each)]) for each in others] == [1, 1]
    assert writer.commit([FILE.rows(first)]) == 0
    writer.close()
    assert check(lake).problems == ()
    assert lake.count("frames") == 20


def test_a_follower_waits_for_the_commit_that_it_was_handed(follower: Follower, lake: Lake) -> None:
    writer = writer_beside(lake)
    counts: list[int] = []
    commits = threading.Thread(target=lambda: counts.append(ingest(writer, FILE, pieces=10)))
    commits.start()
    follower.close()
    commits.join()
    writer.close()
    assert counts == [10]
    assert check(lake).problems == ()


def test_a_backfill_that_is_killed_leaves_the_follower_writing(follower: Follower, lake: Lake) -> None:
    link = find_follower(lake.uri)
    assert link is not None
    link._connection.sendall(struct.pack("!Q", 10_000) + b"{")  # and it is gone, in the middle of a message
    link.close()
    follower.committer.commit([LIVE.rows(each) for each in LIVE.segments(1)])
    assert ingest(writer_beside(lake), FILE) == 3


def test_a_pass_of_upkeep_is_done_by_the_follower_with_the_settings_of_the_command(
    follower: Follower, lake: Lake
) -> None:
    for each in LIVE.segments(10):
        follower.committer.commit([LIVE.rows(each)])
    link = find_follower(lake.uri)
    assert link is not None
    status = link.upkeep(UpkeepConfig(many_fragments=4, keep_versions=timedelta(0)))
    link.close()
    assert status.last is not None
    [frames] = [table for table in status.last.tables if table.table == "frames"]
    assert frames.fragments_before >= 10 > frames.fragments_after
    assert check(lake).problems == ()


def test_settings_of_upkeep_survive_the_way() -> None:
    config = UpkeepConfig(max_age=timedelta(days=30), max_bytes_per_feed=5, keep_versions=timedelta(minutes=1))
    assert config_from_json(config_to_json(config)) == config


@pytest.mark.parametrize("ends", [False, True])
def test_vectors_of_another_model_are_written_by_the_follower(ends: bool, follower: Follower, lake: Lake) -> None:
    follower.committer.commit([LIVE.rows(each) for each in LIVE.segments(1)])
    space = VectorSpace("another", "1", 4, "none")
    opened = Lake.open(lake.uri)
    with ExtraVectorColumn(opened, space, writer=open_column_writer(opened)) as column:
        [frames] = list(column.unseen())
        follower.committer.commit([World(5).rows(each) for each in World(5).segments(1)])
        if ends:
            follower.close()
        ids = tuple(i for of_frame in frames.region_ids for i in of_frame)
        made = NewVectors(frames.frame_ids, np.full((20, 4), 0.5), ids, np.full((len(ids), 4), 0.5))
        column.fill([made])
        assert column.count_unseen() == 20
    assert check(lake).problems == ()
    assert lake.count("regions", where=f"{column.column} IS NOT NULL") == len(ids)


@pytest.mark.usefixtures("follower")
def test_the_socket_is_that_of_its_user_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    place = StateFolder.of(lake.uri).path / local_socket.NAME
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    monkeypatch.setattr(os, "getuid", lambda: 4711)  # as another user's process sees it
    assert find_follower(lake.uri) is None


def test_a_socket_works_below_a_path_that_is_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20) / ("long" * 20)
    listener = local_socket.listen(folder)
    connection = local_socket.connect(folder)
    assert connection is not None
    other, _ = listener.accept()
    send(other, {"n": 1}, [pa.table({"x": [1, 2]})])
    message = receive(connection)
    assert message is not None
    assert (message.body, message.tables[0].to_pydict()) == ({"n": 1}, {"x": [1, 2]})
    other.close()
    assert receive(connection) is None
    for each in (connection, listener):
        each.close()


def test_a_socket_that_a_killed_follower_left_is_none(lake: Lake) -> None:
    folder = StateFolder.of(lake.uri).path
    local_socket.listen(folder).close()
    assert (folder / local_socket.NAME).exists()
    with Committer(lake, plan=stored(), fold_shots=fold_shots):
        assert find_follower(lake.uri) is None


@pytest.mark.usefixtures("follower")
def test_a_follower_of_another_release_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_link, "version", lambda _: "9.9")
    with pytest.raises(LakeError, match=r"with RegionLake .*, this is 9\.9: .* restart the follower"):
        find_follower(lake.uri)


def test_a_follower_that_ends_is_told_from_one_that_refuses() -> None:
    here, there = socket.socketpair()
    link = FollowerLink(here, holder=None)  # type: ignore[arg-type]
    there.close()
    with pytest.raises(FollowerEndedError):
        link.call("hello")
    link.close()


def test_a_follower_forgets_what_it_has_recorded_so_far_and_goes_on(follower: Follower, lake: Lake) -> None:
    gate, earlier = Recording(5, hour=2), Recording(4, hour=1)
    earlier.record(follower.committer, pieces=2)
    segments = gate.segments(4)
    follower.committer.commit([gate.rows_at(each) for each in segments[:2]])
    wanted = lake.read("frames", columns=["id"])["id"].to_pylist()
    places = places_to_forget(lake, "gate", followed=True)
    assert {(place.source, place.span) for place in places} == {
        (earlier.source.uri, None),
        (gate.source.uri, Span(0, 50)),
    }
    link = find_follower(lake.uri)
    assert link is not None
    with closing(link):
        done = link.forget(places, pinned=False)
    assert (done.proved, done.rows["frames"], done.rows["sources"]) == (True, 10 + 20, 1)
    files = [path for path in Path(lake.uri).rglob("*") if path.is_file()]
    assert not [path for path in files if any(name.encode() in path.read_bytes() for name in wanted)]
    follower.committer.commit([gate.rows_at(each) for each in segments])  # a spooled batch may come again
    follower.committer.end(gate.source)
    assert sorted(lake.read("frames")["pts"].to_pylist()) == [*range(50, 100, 5)]
    assert check(lake).problems == ()
