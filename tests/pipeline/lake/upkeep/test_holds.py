"""Retention under a wrong clock or a wrong limit: catches a lake that one pass empties, and upkeep that waits on."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.clock_check import ClockReading, jump, read_clock
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.holds import held_text, hold_back
from pipeline.lake.upkeep.retention import Recording as Kept
from pipeline.lake.upkeep.retention import expired
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_folder import FollowedFeeds, Release, UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import PassReport, write_upkeep_status
from pipeline.lake.writing.committer import Committer
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import DAY, Recording
from tests.pipeline.lake.upkeep.test_retention import found, names
from tests.simulation import SimulatedTime

YEARS = timedelta(days=12 * 365)
GATE = [Recording(n, hour=n) for n in range(4)]
YARD = Recording(9, feed="yard", hour=3)
MONTH = UpkeepConfig(max_age=timedelta(days=30))


class House:
    """A lake of four recordings of one feed and one of another, four hours after the first began, and its upkeep."""

    def __init__(self, writer: Committer, folder: Path, time: SimulatedTime) -> None:
        self.writer = writer
        self.folder = UpkeepFolder(folder)
        self.time = time

    def upkeep(self, config: UpkeepConfig = MONTH) -> Upkeep:
        return Upkeep(
            self.writer,
            config,
            folder=self.folder,
            on_status=lambda status: write_upkeep_status(self.folder.status, status),
            time=self.time,
        )

    def run(self, config: UpkeepConfig = MONTH) -> PassReport:
        """A pass of a new process."""
        report = self.upkeep(config).run_pass()
        assert report.errors == ()
        return report

    def record(self, recording: Recording) -> None:
        segment = recording.segments(1)[0]
        self.writer.commit([recording.rows_at(segment)])
        self.writer.end(recording.source)

    def sources(self) -> set[str]:
        return set(self.writer.lake.read("sources", columns=["source"])["source"].to_pylist())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = Lake.create_or_open(str(tmp_path_factory.mktemp("holds") / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit([each.rows_at(each.segments(1)[0]) for each in (*GATE, YARD)])
        for recording in (*GATE, YARD):
            writer.end(recording.source)
    return Path(lake.uri)


@pytest.fixture
def house(recorded: Path, tmp_path: Path) -> Iterator[House]:
    lake, time = Lake.open(shutil.copytree(recorded, str(tmp_path / "lake"))), SimulatedTime(DAY + timedelta(hours=4))
    with Committer(lake, plan=stored(), fold_shots=fold_shots, time=time) as writer:
        yield House(writer, tmp_path / "state", time)


def test_a_clock_that_jumps_12_years_between_two_passes_removes_nothing(house: House) -> None:
    upkeep = house.upkeep(UpkeepConfig(max_age=timedelta(days=30), remove_share=1))
    assert upkeep.run_pass().held == ()
    house.time.sleep(60)
    house.time.set_clock(YEARS)
    report, again = upkeep.run_pass(), upkeep.run_pass()
    assert (report.removed, report.clock_ahead_s) == (0, YEARS.total_seconds())
    assert [(each.feed, each.reason, each.recordings, each.of_recordings) for each in report.held] == [
        ("gate", "clock ahead", 3, 4)  # its newest stays anyway, and so does that of the yard
    ]
    assert again.held == report.held
    text = held_text(report.held[0], ahead_s=report.clock_ahead_s)
    assert "the clock jumped 4380 days, 0:00:00 ahead, and 3 of 4" in text
    assert len(house.sources()) == 5
    house.time.set_clock(-YEARS)  # the clock is set right: nobody has to release anything
    assert (upkeep.run_pass().held, upkeep.status().clock) == ((), read_clock(house.time))


def test_a_jump_between_two_processes_is_noticed_until_somebody_confirms_the_clock(house: House) -> None:
    house.run()
    house.time.sleep(3600)
    house.time.set_clock(YEARS)
    everything = UpkeepConfig(max_age=timedelta(days=30), remove_share=1)
    for _ in range(2):
        assert house.run(everything).held[0].reason == "clock ahead"
    house.folder.release(Release(clock=read_clock(house.time)))
    house.time.sleep(60)
    report = house.run(everything)
    assert (report.removed, report.held, report.clock_ahead_s) == (3, (), None)
    assert house.sources() == {GATE[-1].source.uri, YARD.source.uri}
    assert house.folder.releases() == {}


def test_a_jump_while_the_machine_was_off_is_held_by_the_share(house: House) -> None:
    house.run()
    house.time.reboots += 1
    house.time.set_clock(YEARS)
    report = house.run()
    assert (report.removed, report.clock_ahead_s) == (0, None)
    assert [(each.feed, each.reason) for each in report.held] == [("gate", "share")]
    assert len(house.sources()) == 5


@pytest.mark.parametrize("off", [False, True])
def test_a_clock_that_was_set_back_removes_nothing_and_recovers_alone(house: House, off: bool) -> None:
    limits = UpkeepConfig(max_bytes_per_feed=1, remove_share=1)
    house.run()
    house.time.reboots += off
    house.time.set_clock(-YEARS)
    report = house.run(limits)
    assert (report.removed, report.held[0].reason) == (0, "clock behind")
    house.time.set_clock(YEARS)
    assert house.run(limits).removed == 3


def test_what_was_recorded_under_a_wrong_clock_is_as_old_as_it_really_is(house: House) -> None:
    """Without that, twelve years of age come with the right clock, or never."""
    everything = UpkeepConfig(max_age=timedelta(days=30), remove_share=1)
    house.run(everything)
    for number, by in enumerate((-YEARS, YEARS)):
        house.time.sleep(60)
        house.time.set_clock(by)
        recording = Recording(20 + number, hour=(house.time.utc() - DAY) / timedelta(hours=1))
        house.record(recording)
        house.time.sleep(60)
        assert house.run(everything).removed == 0
        house.time.sleep(60)
        house.time.set_clock(-by)
        house.time.sleep(60)
        assert house.run(everything).removed == 0, by
    assert len(house.sources()) == 7
    house.time.sleep(timedelta(days=31).total_seconds())
    assert house.run(everything).removed == 5  # all of the gate but the newest


def test_what_is_old_by_the_clock_that_did_not_jump_goes_on_being_removed(house: House) -> None:
    """A virtual machine that was paused for two hours must not keep everything until somebody looks."""
    limits = UpkeepConfig(max_age=timedelta(minutes=190), remove_share=1)
    house.run(UpkeepConfig(max_age=timedelta(days=30)))
    house.time.set_clock(timedelta(hours=2))
    report = house.run(limits)
    assert report.removed == 1  # it ended almost four hours before the clock jumped
    assert {each for held in report.held for each in held.ids} == {GATE[1].source.id, GATE[2].source.id}


def test_a_first_pass_over_much_that_is_old_waits_for_one_release(house: House) -> None:
    house.time.sleep(YEARS.total_seconds())
    (held,) = house.run().held
    assert (held.feed, held.reason, len(held.ids)) == ("gate", "share", 3)
    assert "3 of 4 recordings or files of gate (75% of its bytes)" in held_text(held, ahead_s=None)
    assert len(house.sources()) == 5
    house.folder.release(Release(ids=held.ids))
    assert house.run().removed == 3
    assert house.sources() == {GATE[-1].source.uri, YARD.source.uri}
    assert house.run().held == ()
    assert house.folder.releases() == {}  # nothing is left of what was released


def test_a_pass_without_limits_leaves_what_another_holds(house: House) -> None:
    house.time.sleep(YEARS.total_seconds())
    held = house.run().held
    assert held
    assert house.run(UpkeepConfig()).held == held


def test_a_release_holds_for_what_was_shown_and_not_for_more(house: House) -> None:
    house.time.sleep(timedelta(days=29, hours=20, minutes=30).total_seconds())
    half = UpkeepConfig(max_age=timedelta(days=29, hours=23), remove_share=0.4)
    (held,) = house.run(half).held
    assert len(held.ids) == 2
    house.folder.release(Release(ids=held.ids))
    house.time.sleep(3600)
    report = house.run(half)  # a third one is too old by now: half of what is left
    assert report.removed == 2
    assert [len(each.ids) for each in report.held] == [1]


def test_the_newest_of_a_feed_stays_until_the_feed_is_taken_off_its_file() -> None:
    held = [found("g0", 1, 1), found("g1", 2, 1), found("y0", 1, 1, feed="yard", state="open")]
    limits = UpkeepConfig(max_age=timedelta(days=1))
    now = DAY + timedelta(days=100)
    assert names(expired(held, limits, now=now)) == ["g0"]
    assert names(expired(held, limits, now=now, removed_feeds=["yard"])) == ["g0", "y0"]
    file = Kept("f", "/drop/a.mp4", "/drop/a.mp4", DAY, DAY, 1, "complete", True)
    assert names(expired([file], limits, now=now)) == ["f"]
    in_folder = Kept("f", "/drop/a.mp4", "/drop/a.mp4", DAY, DAY, 1, "complete", True, "drop")
    assert expired([in_folder], limits, now=now) == []


def test_a_feed_is_removed_when_it_leaves_its_own_file_and_comes_back_with_it(tmp_path: Path) -> None:
    folder = UpkeepFolder(tmp_path)
    feeds = FollowedFeeds().with_file("/a.toml", ["gate", "yard"]).with_file("/b.toml", ["dock"])
    assert feeds.removed == ()
    assert feeds.with_file("/a.toml", ["gate"], others=["yard"]).removed == ()
    feeds = feeds.with_file("/a.toml", ["gate"]).with_folders({"/drop": "drop"})
    assert feeds.removed == ("yard",)
    folder.write_followed(feeds)
    assert folder.followed() == feeds
    assert feeds.with_file("/b.toml", ["yard"]).removed == ("dock",)


def test_files_beside_the_lake_that_are_damaged_count_as_unknown(tmp_path: Path) -> None:
    folder = UpkeepFolder(tmp_path)
    folder.release(Release(ids=("a",)))
    for path in (*tmp_path.glob("releases/*"), tmp_path / "upkeep.json", tmp_path / "followed-feeds.json"):
        path.write_bytes(bytes(40))
    assert (folder.last_status(), folder.followed(), folder.releases()) == (None, FollowedFeeds(), {})


@given(
    sizes=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.booleans()), max_size=12),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    released=st.sets(st.integers(0, 11)),
    doubtful=st.sets(st.integers(0, 11)),
)
def test_nothing_is_held_and_removed_and_no_feed_loses_more_than_its_share(
    sizes: list[tuple[str, int, bool]], share: float, released: set[int], doubtful: set[int]
) -> None:
    every = [found(f"{n}", n, size, feed=feed) for n, (feed, size, _) in enumerate(sizes)]
    going = [each for each, (_, _, goes) in zip(every, sizes, strict=True) if goes]
    free, unsure = {str(n) for n in released}, {str(n) for n in doubtful}
    allowed, held = hold_back(going, every, share=share, doubtful=unsure, released=free)
    kept = [name for each in held for name in each.ids]
    assert sorted([*names(allowed), *kept]) == sorted(names(going))
    assert not free & set(kept)
    assert unsure & set(names(going)) <= free | set(kept)
    for feed in "ab":
        of_feed = [each for each in every if each.feed == feed and each.id not in free]
        gone = [each for each in allowed if each.feed == feed and each.id not in free]
        assert len(gone) <= share * len(of_feed)
        assert sum(each.bytes for each in gone) <= share * sum(each.bytes for each in of_feed)


def test_only_a_clock_that_differs_from_one_that_never_jumps_has_jumped() -> None:
    early = ClockReading(DAY, 100.0, "a")
    minute = timedelta(minutes=1)

    def ahead(utc_s: float, since_boot_s: float, boot: str = "a") -> timedelta | None:
        return jump(ClockReading(DAY + timedelta(seconds=utc_s), since_boot_s, boot), early, tolerance=minute)

    assert ahead(86400, 86500) is None
    assert ahead(86400, 86470) is None
    assert ahead(86400, 100) == timedelta(days=1)
    assert ahead(-3600, 100) == timedelta(hours=-1)
    assert ahead(1e8, 5, "b") is None  # it was off, for years perhaps
    assert ahead(-3600, 5, "b") == timedelta(hours=-1)
