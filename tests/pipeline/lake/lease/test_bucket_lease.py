"""The lease of a bucket: catches two holders at once, in simulated time, however their clocks, threads and requests
are delayed; and a holder that goes on writing when its lease may be another's."""

import random
from functools import partial

import pytest

from pipeline.lake.lease.bucket_lease import BucketLease
from schemas.errors import LakeError, LeaseLostError
from tests.pipeline.lake.lease.shared_object import DURATION_S, Bucket, take
from tests.simulation import Simulation


def writes(lease: BucketLease) -> bool:
    try:
        lease.require()
    except LeaseLostError:
        return False
    return True


@pytest.mark.parametrize("seed", range(2))
def test_a_holder_that_renews_is_never_replaced(seed: int) -> None:
    bucket, simulation = Bucket(), Simulation(seed)

    def run() -> None:
        first = take(bucket, simulation)
        began_s = simulation.monotonic_s()
        with pytest.raises(LakeError, match=r"is being written by process .* since .* after 10 s"):
            take(bucket, simulation)
        assert simulation.monotonic_s() - began_s < 12
        simulation.sleep(3600)
        first.require()
        first.release()
        second = take(bucket, simulation, wait_s=0.0)
        assert (first.number, second.number, second.unclean) == (1, 2, False)
        second.release()

    simulation.run(run)


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_holder_is_replaced_within_the_wait_by_a_greater_number(seed: int) -> None:
    bucket, simulation = Bucket(), Simulation(seed)

    def run() -> None:
        killed = take(bucket, simulation, "killed")
        bucket.cut_off.add("killed")
        second = take(bucket, simulation)
        assert (killed.number, second.number, second.unclean) == (1, 2, True)
        for each in (killed, second):
            each.release()

    simulation.run(run)


@pytest.mark.parametrize("seed", range(8))
def test_two_never_write_at_once_while_connections_come_and_go(seed: int) -> None:
    """Both look at their lease all the time; one is cut off and reconnected, again and again."""
    bucket, simulation = Bucket(), Simulation(seed)
    leases: dict[str, BucketLease] = {}
    numbers: list[int] = []

    def hold_always(name: str) -> None:
        while simulation.monotonic_s() < 400:
            try:
                if name not in leases:
                    leases[name] = take(bucket, simulation, name)
                leases[name].hold()
                if writes(leases[name]):
                    numbers.append(leases[name].number)
                    assert not any(writes(lease) for other, lease in leases.items() if other != name)
            except LakeError:
                pass
            simulation.sleep(0.3)

    def run() -> None:
        chance = random.Random(seed)
        threads = [simulation.start(name, partial(hold_always, name)) for name in ("a", "b")]
        while any(thread.alive for thread in threads):
            bucket.cut_off = set(chance.choice(["", "", "a", "b"]))
            bucket.answers_lost = chance.randrange(2)
            simulation.sleep(chance.uniform(1, 20))
        for thread in threads:
            thread.check()
        bucket.cut_off.clear()
        bucket.answers_lost = 0
        for lease in leases.values():
            lease.release()

    simulation.run(run)
    assert numbers == sorted(numbers)  # never a smaller one after a greater
    assert len(set(numbers)) > 1


def test_a_holder_that_is_cut_off_stops_writing_before_another_can_begin() -> None:
    bucket, simulation = Bucket(), Simulation(0)

    def run() -> None:
        lease = take(bucket, simulation, "one")
        bucket.cut_off.add("one")
        stopped_s = 0.0
        while writes(lease):
            simulation.sleep(0.1)
            stopped_s = simulation.monotonic_s()
        assert stopped_s < DURATION_S
        with pytest.raises(LeaseLostError, match="could not be renewed in time: out of reach"):
            lease.require()
        bucket.cut_off.clear()
        assert not lease.hold()  # nobody took it meanwhile: the same number
        lease.require()
        lease.release()

    simulation.run(run)


def test_a_lost_lease_is_taken_anew_under_another_number() -> None:
    bucket, simulation = Bucket(), Simulation(0)

    def run() -> None:
        first = take(bucket, simulation, "first")
        bucket.cut_off.add("first")
        second = take(bucket, simulation, "second")
        bucket.cut_off.clear()
        second.fenced()
        simulation.sleep(DURATION_S)
        with pytest.raises(LeaseLostError, match=r"lost the lease .* to process "):
            first.require()
        with pytest.raises(LakeError, match="is being written by"):
            first.hold()
        second.release()
        assert first.hold()
        assert first.number == 3
        first.require()
        first.release()

    simulation.run(run)


def test_a_renewal_whose_answer_was_lost_does_not_lose_the_lease() -> None:
    bucket, simulation = Bucket(), Simulation(0)

    def run() -> None:
        lease = take(bucket, simulation)
        for _ in range(5):
            bucket.answers_lost += 1
            simulation.sleep(DURATION_S / 2)
            lease.require()
        lease.release()

    simulation.run(run)


def test_a_deleted_object_is_no_clean_end_of_its_holder() -> None:
    bucket, simulation = Bucket(), Simulation(0)

    def run() -> None:
        new = take(bucket, simulation)
        assert not new.unclean  # an empty lake
        bucket.stored = None
        second = take(bucket, simulation, above=4)
        assert (second.number, second.unclean) == (5, True)
        simulation.sleep(DURATION_S)
        assert not writes(new)
        for each in (new, second):
            each.release()

    simulation.run(run)


def test_a_writer_killed_while_it_fences_leaves_that_to_the_next() -> None:
    bucket, simulation = Bucket(), Simulation(0)

    def run() -> None:
        leases = [take(bucket, simulation, "first")]
        bucket.cut_off.add("first")
        leases.append(take(bucket, simulation, "second"))
        assert not leases[1].fencing_before
        bucket.cut_off.add("second")
        leases.append(take(bucket, simulation, "third"))
        assert leases[2].unclean
        assert leases[2].fencing_before
        leases[2].fenced()
        bucket.cut_off.add("third")
        leases.append(take(bucket, simulation, "fourth"))
        assert leases[3].unclean
        assert not leases[3].fencing_before
        for each in leases:
            each.release()

    simulation.run(run)
