"""Catches rows that are out of order or lost where the models work ahead of the writer, and models that do not."""

import threading
from collections.abc import Generator, Sequence

import pytest

from pipeline.ingest.engines import local_engine
from pipeline.ingest.engines.local_engine import LocalEngine
from pipeline.ingest.packets import FramePacket, Work
from pipeline.plan.plan import Plan
from schemas.errors import DecodeError
from tests.pipeline.ingest.engines.test_packet_groups import packet


class Models:
    """Returns the packets themselves as rows. began: a number is added when the models begin with that packet."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.more = threading.Condition()

    def __call__(self, packets: Sequence[FramePacket]) -> list[FramePacket]:
        with self.more:
            self.began += [each.head.number for each in packets]
            self.more.notify_all()
        return list(packets)

    def close(self) -> None: ...


class Writer:
    def close(self) -> None: ...


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    monkeypatch.setattr(local_engine, "ModelStages", lambda _: Models())
    monkeypatch.setattr(local_engine, "grouped", lambda packets, **_: ([each] for each in packets))
    return LocalEngine(Plan(), Writer)  # type: ignore[arg-type]


def read(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, *, error: Exception | None = None) -> None:
    def packets(_: Work) -> Generator[FramePacket]:
        yield from (packet(n) for n in range(4))
        if error is not None:
            raise error

    monkeypatch.setattr(engine._reader, "read", packets)


def test_the_models_have_begun_the_next_group_while_the_rows_of_one_are_committed(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(engine, monkeypatch)
    models: Models = engine._models  # type: ignore[assignment]
    with engine:
        rows = engine.run([Work(packet(0).head.segment, None)])  # type: ignore[arg-type]
        for number, row in enumerate(rows):
            assert row.head.number == number
            begun = list(range(min(number + 2, 4)))
            with models.more:
                assert models.more.wait_for(lambda expected=begun: models.began == expected, 60)  # type: ignore[misc]


def test_what_was_read_before_the_reader_failed_is_committed_first(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(engine, monkeypatch, error=DecodeError("the child died"))
    with engine:
        rows = engine.run([Work(packet(0).head.segment, None)])  # type: ignore[arg-type]
        assert [next(iter(rows)).head.number for _ in range(4)] == [0, 1, 2, 3]
        with pytest.raises(DecodeError, match="the child died"):
            next(iter(rows))


def test_a_run_that_is_left_in_the_middle_ends(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    read(engine, monkeypatch)
    with engine:
        rows = engine.run([Work(packet(0).head.segment, None)])  # type: ignore[arg-type]
        assert next(iter(rows)).head.number == 0
    assert len(engine._models.began) <= 2  # type: ignore[attr-defined]
