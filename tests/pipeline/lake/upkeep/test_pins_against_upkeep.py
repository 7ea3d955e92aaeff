"""Pins that are added while upkeep removes: catches a pin that is confirmed while its recording is deleted.

Upkeep marks what it removes, reads the pins, and deletes; whoever pins writes the pin and then reads the mark. The
tests stop upkeep before each of its reads and writes, and do there what another process may do at that moment.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pins import Pin, Pins
from pipeline.lake.upkeep.upkeep import Upkeep, _Pass
from pipeline.lake.writing.committer import Committer
from schemas.clock import Span
from schemas.errors import LakeError
from tests.pipeline.lake.conftest import OpenWriter
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import Recording
from tests.pipeline.lake.upkeep.test_retention import NEW, OLD, TWO_HOURS, noon
from tests.simulation import SimulatedTime

CHANGES = ("delete", "delete_where", "update", "replace", "upsert")
EARLY, LATE = Span(35, 36), Span(70, 71)  # in two shots of a recording, whose shots begin at 0, 30, 60 and 90


class KilledError(Exception):
    """Stands for a process that is gone from one change of a table to the next."""


@dataclass
class Seams:
    """Calls `act` with 0, 1, 2 … before each reading of pins and each change of a table by an upkeep."""

    act: Callable[[int], None]
    passed: int = 0
    names: list[str] = field(default_factory=list)

    def watch(self, upkeep: Upkeep, writer: Committer, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(upkeep._pins, "read", self._stopped("read the pins", upkeep._pins.read))
        for name in CHANGES:
            tables = writer._state.tables
            patch.setattr(tables, name, self._stopped(name, getattr(tables, name)))

    def _stopped(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def stopped(*args: object, **options: object) -> object:
            seam, self.passed = self.passed, self.passed + 1
            self.names.append(f"{name} {args[0] if args else ''}".strip())
            self.act(seam)
            return call(*args, **options)

        return stopped


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of an old recording, and of a newer one that stays; a shot of the old one is pinned in `cut`."""
    folder = tmp_path_factory.mktemp("pins")
    lake = Lake.create_or_open(str(folder / "whole"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        for recording in (OLD, NEW):
            recording.record(writer, pieces=2)
        writer.upkeep.compact(many=2)
    shutil.copytree(folder / "whole", folder / "cut")
    Pins(Lake.open(str(folder / "cut"))).add([place(OLD, EARLY)])
    return folder


def place(recording: Recording, span: Span | None) -> tuple[str, str, Span | None]:
    return recording.source.id, recording.source.uri, span


def held_pts(lake: Lake) -> set[int]:
    return set(lake.read("frames", columns=["pts"], where=f"source_id = '{OLD.source.id}'")["pts"].to_pylist())


def is_kept(lake: Lake, pin: Pin) -> bool:
    """Whether all that the pin protects is in the lake."""
    wanted = range(0, 100, 5) if pin.span is None else range(30, 60, 5) if pin.span == EARLY else range(60, 90, 5)
    return set(wanted) <= held_pts(lake)


def retain(writer: Committer, seams: Seams, patch: pytest.MonkeyPatch) -> None:
    """The part of a pass that removes."""
    upkeep = Upkeep(writer, TWO_HOURS, time=noon())
    seams.watch(upkeep, writer, patch)
    for _ in upkeep._retain(_Pass(upkeep._time.utc(), {})):
        pass


def copies(prepared: Path, name: str, to: Path) -> Iterator[Lake]:
    for number in range(1000):
        yield Lake.open(shutil.copytree(prepared / name, str(to / str(number))))


def test_a_pin_that_is_confirmed_at_any_moment_of_a_pass_is_kept(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirmed: list[bool] = []
    for number, lake in enumerate(copies(prepared, "whole", tmp_path)):
        told: list[Pin | None] = []

        def act(seam: int, at: int = number, lake: Lake = lake, told: list[Pin | None] = told) -> None:
            if seam == at:
                try:
                    told.append(Pins(Lake.open(lake.uri)).add([place(OLD, None)], patience_s=0)[0])
                except LakeError:
                    told.append(None)

        with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer, monkeypatch.context() as patch:
            seams = Seams(act)
            retain(writer, seams, patch)
        if not told:
            break
        confirmed.append(told[0] is not None)
        if told[0] is not None:
            assert is_kept(lake, told[0]), (number, seams.names)
    assert check(lake).problems == ()
    assert any(confirmed)  # before the mark
    assert not all(confirmed)  # once the deletion has begun
    assert len(confirmed) > 6


def test_in_every_interleaving_the_answer_agrees_with_what_the_lake_holds(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pin is written before one step of upkeep, and its fate is asked before each later one and after the last."""
    kept: list[bool] = []
    for number, lake in enumerate(copies(prepared, "cut", tmp_path)):
        pins = Pins(Lake.open(lake.uri))
        pin = Pin(*place(OLD, LATE), pinned_at=noon().utc())
        answers: list[str] = []

        def ask(pins: Pins = pins, pin: Pin = pin, answers: list[str] = answers) -> None:
            fates = pins.fates([pin], removed_before={})
            answers.append("gone" if fates.gone else "cut" if fates.cut else "pending" if fates.pending else "safe")

        def act(seam: int, at: int = number, pins: Pins = pins, pin: Pin = pin, ask: Callable[[], None] = ask) -> None:
            if seam == at:
                pins.write([pin])
            if seam >= at:
                ask()

        with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer, monkeypatch.context() as patch:
            seams = Seams(act)
            retain(writer, seams, patch)
            if seams.passed <= number:
                break
            ask()
        kept.append(is_kept(lake, pin))
        told = [answer for answer in answers if answer != "pending"]
        assert told, (number, seams.names)
        assert set(told) == ({"safe"} if kept[-1] else {"gone"}), (number, seams.names, answers)
    assert sorted(kept, reverse=True) == kept  # the earlier a pin, the safer
    assert True in kept
    assert False in kept


def test_a_pin_outlives_an_upkeep_that_is_killed_before_it_deletes(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upkeep is killed before each of its steps; then somebody pins; then the next writer opens the lake."""
    kept: list[bool] = []
    for number, lake in enumerate(copies(prepared, "whole", tmp_path)):

        def kill(seam: int, at: int = number) -> None:
            if seam >= at:
                raise KilledError

        writer = Committer(lake, plan=stored(), fold_shots=fold_shots)
        with monkeypatch.context() as patch:
            try:
                retain(writer, Seams(kill), patch)
                killed = False
            except KilledError:
                killed = True
        writer.close()
        if not killed:
            break
        time = SimulatedTime()
        told = ""
        try:
            pin = Pins(Lake.open(lake.uri), time=time).add([place(OLD, LATE)])[0]
        except LakeError as error:
            told = str(error)
        kept.append(not told)
        assert kept[-1] or "before it was pinned" in told, number
        assert time.monotonic_s() == 0.0  # nobody writes the lake: there is nothing to wait for
        with Committer(lake, plan=stored("another"), fold_shots=fold_shots) as writer:
            assert check(lake).problems == (), number
            retain(writer, Seams(lambda _: None), monkeypatch)
        if kept[-1]:
            assert is_kept(lake, pin), number
    assert sorted(kept, reverse=True) == kept
    assert kept.count(True) >= 3  # before the first reading, the mark, the second reading, the deletion
    assert False in kept


def test_who_pins_waits_while_upkeep_decides_and_says_so_where_it_takes_too_long(
    lake: Lake, open_writer: OpenWriter
) -> None:
    seen: list[str] = []

    class Deciding(SimulatedTime):
        """Upkeep takes its mark back while whoever pins waits for the first time."""

        def sleep(self, seconds: float) -> None:
            seen.extend(lake.read("sources", where=where)["state"].to_pylist())
            tables.update("sources", where, state="complete")
            super().sleep(seconds)

    where = f"id = '{OLD.source.id}'"
    with open_writer() as writer:
        OLD.record(writer, pieces=2)
        tables = writer._state.tables
        tables.update("sources", where, state="removing")
        Pins(Lake.open(lake.uri), time=Deciding()).add([place(OLD, None)])
        assert seen == ["removing"]
        tables.update("sources", where, state="removing")
        with pytest.raises(LakeError, match="not known yet"):
            Pins(Lake.open(lake.uri), time=SimulatedTime()).add([place(OLD, LATE)])
        tables.update("sources", where, state="complete")
    assert {pin.span for pin in Pins(lake).read()} == {None, LATE}  # both are stored
