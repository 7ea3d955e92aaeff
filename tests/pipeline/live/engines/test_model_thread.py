"""Catches a model whose thread died and that still takes groups, or never returns the one that it had."""

from collections.abc import Sequence

import pytest

from pipeline.ingest.packets import FramePacket, RowPacket
from pipeline.live.engines.live_engine import Worked
from pipeline.live.engines.model_thread import ModelThread
from tests.deadly_time import Panic
from tests.pipeline.live.packets import packet, recording
from tests.simulation import Simulation

GROUP = (packet(recording(), 0, 10), packet(recording(), 10, 20))


def worked(simulation: Simulation, model: ModelThread) -> Worked:
    while True:
        found = model.worked()
        if found is not None:
            return found
        simulation.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("of another shape"), "the model failed: ValueError: of another shape"),
        (Panic("CUDA is gone"), "the thread of the model died: Panic: CUDA is gone"),
    ],
)
def test_a_group_with_which_the_model_fails_or_dies_is_returned_with_the_reason_and_others_follow(
    error: BaseException, reason: str
) -> None:
    simulation = Simulation(0)
    errors = [error]

    def run(_: Sequence[FramePacket]) -> list[RowPacket]:
        simulation.sleep(1.0)
        if errors:
            raise errors.pop()
        return []

    def main() -> None:
        model = ModelThread(run, time=simulation, threads=simulation)
        model.work(GROUP)
        simulation.sleep(1.1)
        if isinstance(error, Panic):
            assert model.thread.state == "backing off"
        assert not model.idle
        first = worked(simulation, model)
        assert (first.packets, first.rows, first.error) == (GROUP, None, reason)
        assert model.worked() is None
        assert model.idle
        model.work(GROUP[:1])
        second = worked(simulation, model)
        assert (second.packets, second.rows, second.error) == (GROUP[:1], (), "")
        assert second.seconds == pytest.approx(1.0)
        model.close()

    simulation.run(main)


def test_an_idle_model_that_is_killed_takes_nothing_until_it_runs_again() -> None:
    simulation = Simulation(1)

    def main() -> None:
        model = ModelThread(lambda _: [], time=simulation, threads=simulation)
        simulation.sleep(0.1)
        simulation.kill("model", Panic("killed"))
        simulation.sleep(0.1)
        assert (model.thread.state, model.idle) == ("backing off", False)
        simulation.sleep(1.0)
        assert (model.thread.state, model.thread.restarts, model.idle) == ("running", 1, True)
        model.close()

    simulation.run(main)
