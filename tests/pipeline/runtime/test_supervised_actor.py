"""Catches an actor that is started again without a pause or never, or that is shown as running while it is dead."""

import ray

from pipeline.runtime.backoff import BackoffConfig
from pipeline.runtime.supervised_actor import SupervisedActor
from tests.simulation import SimulatedTime


def test_an_actor_that_dies_is_made_again_after_growing_pauses_and_is_shown_as_backing_off() -> None:
    time = SimulatedTime()
    made: list[str] = []

    def make() -> str:
        if len(made) == 2:
            made.append("refused")
            raise ray.exceptions.RayError("the cluster has no room")
        made.append(f"actor {len(made)}")
        return made[-1]

    killed: list[str] = []
    actor = SupervisedActor("gate", make, kill=killed.append, pauses=BackoffConfig(), choose=lambda: 1.0, time=time)
    assert (actor.actor(), actor.status.state) == ("actor 0", "running")
    waited_s: list[float] = []
    for restarts, error in enumerate((RuntimeError("killed"), RuntimeError("killed"), None), start=1):
        if error is not None:
            actor.died(error)
        assert (actor.current, actor.status.state, actor.status.restarts) == (None, "backing off", restarts)
        began_s = time.monotonic_s()
        while actor.actor() is None and actor.status.restarts == restarts:
            time.sleep(0.25)
        waited_s.append(time.monotonic_s() - began_s)
    assert waited_s == [0.5, 1.0, 2.0]
    assert (actor.actor(), actor.status.state) == ("actor 3", "running")
    assert actor.status.error == "RayError: the cluster has no room"
    actor.end()
    time.sleep(100)
    assert (actor.actor(), actor.status.state) == (None, "ended")
    assert killed == ["actor 0", "actor 1", "actor 3"]
