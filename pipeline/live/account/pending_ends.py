"""Losses and ends of recordings that wait for the models: they are committed after the rows of their recordings."""

from collections import Counter
from collections.abc import Iterable

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Ending, Lost


class PendingEnds:
    """Endings in the order of their reports; each waits until no model has a packet of its recording."""

    def __init__(self) -> None:
        self._at_models: Counter[str] = Counter()  # packets, by recording
        self._pending: list[Ending] = []

    def __bool__(self) -> bool:
        """Whether an ending waits, or a model has a packet."""
        return bool(self._pending) or bool(self._at_models)

    def handed_out(self, packets: Iterable[FramePacket]) -> None:
        self._at_models.update(packet.head.segment.source.id for packet in packets)

    def returned(self, packets: Iterable[FramePacket]) -> None:
        for packet in packets:
            name = packet.head.segment.source.id
            self._at_models[name] -= 1
            if self._at_models[name] <= 0:
                del self._at_models[name]

    def add(self, ending: Ending) -> None:
        self._pending.append(ending)

    def take(self) -> list[Ending]:
        """Removes and returns the endings of whose recordings no model has a packet."""
        ready = [ending for ending in self._pending if _source_id(ending) not in self._at_models]
        self._pending = [ending for ending in self._pending if _source_id(ending) in self._at_models]
        return ready


def _source_id(ending: Ending) -> str:
    return ending.segment.source.id if isinstance(ending, Lost) else ending.source.id
