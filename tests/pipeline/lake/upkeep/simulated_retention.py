"""Simulates retention beside commits, pins of other processes and a clock that jumps, in an order drawn by a seed.

Everything is real but the clock, the threads and the writer's lease: the lake is a LanceDB. Upkeep may lose its turn
before each reading of pins and each change of a table.

    python -m tests.pipeline.lake.upkeep.simulated_retention --seeds 1000
"""

import argparse
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

from pipeline.lake.audit.check import check
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.config import UpkeepConfig
from pipeline.lake.upkeep.pins import Pin, Pins
from pipeline.lake.upkeep.upkeep import Upkeep
from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.lake.upkeep.upkeep_status import write_upkeep_status
from pipeline.lake.writing.committer import Committer
from schemas.clock import Span
from schemas.errors import LakeError
from tests.pipeline.lake.synthetic import SPACE, fold_shots, stored
from tests.pipeline.lake.upkeep.feeds import DAY, Recording
from tests.simulation import SimulatedLock, Simulation

P = ParamSpec("P")
T = TypeVar("T")
OLD = [Recording(n, hour=n / 2) for n in range(4)]
FRESH = [Recording(10 + n, hour=5 + n / 2) for n in range(2)]
NEW = Recording(20, hour=6)  # committed during the simulation
NOON = DAY + timedelta(hours=6)
LIMITS = UpkeepConfig(
    every_s=30.0, max_age=timedelta(hours=2), many_fragments=1000, join_after_s=1e9, remove_share=1.0, remove_at_once=2
)
_LASTS_S = 75.0  # three passes
_CHANGES = ("delete", "delete_where", "update", "replace")
_YEARS = timedelta(days=12 * 365)


@dataclass(frozen=True, slots=True)
class Outcome:
    """pins: those that were confirmed. jumped: whether the clock did. removed: sources that are gone."""

    pins: tuple[Pin, ...]
    jumped: bool
    removed: frozenset[str]


def prepare(folder: Path) -> Path:
    """A lake of four recordings that are too old, and two that are not."""
    lake = Lake.create_or_open(str(folder / "lake"), SPACE)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit([each.rows_at(each.segments(1)[0]) for each in (*OLD, *FRESH)])
        for recording in (*OLD, *FRESH):
            writer.end(recording.source)
    return Path(lake.uri)


def simulate(prepared: Path, folder: Path, seed: int, *, config: UpkeepConfig = LIMITS) -> Outcome:
    """Runs some minutes; raises AssertionError if a confirmed pin, or anything that is not too old, was removed."""
    lake = Lake.open(shutil.copytree(prepared, str(folder / f"lake-{seed}")))
    simulation, chance = Simulation(seed, began=NOON), random.Random(seed)
    state = UpkeepFolder(folder / f"state-{seed}")
    confirmed: list[tuple[Pin, set[int]]] = []  # with the PTS of what it protects
    jumps = chance.random() < 0.5

    def lose_turn() -> None:
        simulation.sleep(chance.uniform(0.0, 0.6))

    def pts_of(source_id: str) -> set[int]:
        reader = Lake.open(lake.uri)
        going = reader.read("segments", where=f"source_id = '{source_id}' AND state = 'removing'").to_pylist()
        found = reader.read("frames", columns=["pts"], where=f"source_id = '{source_id}'")["pts"].to_pylist()
        return {pts for pts in found if not any(row["start"] <= pts < row["stop"] for row in going)}

    def pinner() -> None:
        """Another process, which pins now and then; most of it while the first pass removes."""
        for _ in range(4):
            simulation.sleep(chance.uniform(0.0, 0.8))
            source = chance.choice(OLD).source
            span = chance.choice([None, Span(35, 36), Span(70, 71)])
            shot = {None: range(0, 100), 35: range(30, 60), 70: range(60, 90)}[span and span.start]
            protected = {pts for pts in pts_of(source.id) if pts in shot}
            with suppress(LakeError):  # it came too late, and the user knows
                pins = Pins(Lake.open(lake.uri), time=simulation)
                if chance.random() < 0.3:  # it loses its turn after it has written the pin
                    pins.fates = _waiting(pins.fates, lose_turn)  # type: ignore[method-assign]
                (pin,) = pins.add([(source.id, source.uri, span)], patience_s=5.0)
                confirmed.append((pin, protected))

    def set_clock() -> None:
        simulation.sleep(chance.uniform(0.0, 60.0))
        by = _YEARS * chance.choice([1, -1])
        simulation.set_clock(by)
        if chance.random() < 0.5:
            simulation.sleep(chance.uniform(1.0, 20.0))
            simulation.set_clock(-by)

    def follow() -> None:
        for segment in NEW.segments(3):
            simulation.sleep(chance.uniform(0.0, 10.0))
            committer.commit([NEW.rows_at(segment)])
        committer.end(NEW.source)

    def run() -> None:
        once = Upkeep(committer, replace(config, max_age=timedelta(days=3650)), folder=state, time=simulation)
        once.run_pass()  # some time ago, by another process
        write_upkeep_status(state.status, once.status())
        upkeep = Upkeep(committer, config, folder=state, time=simulation, threads=simulation)
        upkeep._pins.read = _waiting(upkeep._pins.read, lose_turn)  # type: ignore[method-assign]
        for name in _CHANGES:
            setattr(committer._state.tables, name, _waiting(getattr(committer._state.tables, name), lose_turn))
        upkeep.start()
        threads = [simulation.start("pinner", pinner), simulation.start("follower", follow)]
        if jumps:
            threads.append(simulation.start("clock", set_clock))
        simulation.sleep(_LASTS_S)
        for thread in threads:
            thread.join()
            thread.check()
        committer.close()
        assert upkeep.status().last_error is None

    committer = Committer(lake, plan=stored(), fold_shots=fold_shots, time=simulation)
    committer._state.turn = committer.upkeep.turn = SimulatedLock(simulation)  # type: ignore[assignment]
    simulation.run(run)
    held = set(lake.read("sources", columns=["id"])["id"].to_pylist())
    removed = frozenset(each.source.id for each in (*OLD, *FRESH, NEW)) - held
    for pin, protected in confirmed:
        kept = pts_of(pin.source_id)
        assert protected <= kept, f"seed {seed}: {pin} was confirmed, and only {sorted(kept)} are left"
    young = [each.source.uri for each in (*FRESH, NEW) if each.source.id in removed]
    assert not young, f"seed {seed}: {young} were removed although they are not too old"
    assert check(lake).problems == (), f"seed {seed}: {check(lake).problems}"
    return Outcome(tuple(pin for pin, _ in confirmed), jumps, removed)


def _waiting(call: Callable[P, T], wait: Callable[[], None]) -> Callable[P, T]:
    def waiting(*args: P.args, **options: P.kwargs) -> T:
        wait()
        return call(*args, **options)

    return waiting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared = prepare(folder)
        pins = jumps = 0
        for seed in range(wanted.first, wanted.first + wanted.seeds):
            outcome = simulate(prepared, folder, seed)
            pins, jumps = pins + len(outcome.pins), jumps + outcome.jumped
            shutil.rmtree(folder / f"lake-{seed}")
        print(f"{wanted.seeds} seeds: {pins} pins confirmed and kept, {jumps} jumps of the clock, nothing lost")


if __name__ == "__main__":
    main()
