"""Losses and ends of recordings that wait for the models: what a recording ends with is committed after its rows."""

from collections import Counter
from collections.abc import Iterable

from pipeline.ingest.packets import FramePacket
from pipeline.live.account.losses import Ending, Lost


class PendingEnds:
    """Endings in the order in which they were reported, each until no model has a packet of its recording."""

    def __init__(self) -> None:
        self._at_models: Counter[str] = Counter()  # packets, by recording
        self._pending: list[Ending] = []

    def __bool__(self) -> bool:
        """Whether anything waits, or is with a model."""
        return bool(self._pending) or bool(self._at_models)

    def handed_out(self, packets: Iterable[FramePacket]) -> None:
        self._at_models.update(packet.head.segment.source.id for packet in packets)

    def returned(self, packets: Iterable[FramePacket]) -> None:
        for packet in packets:
            name = packet.head.segment.source.id
            self._at_models[name] -= 1
            if not self._at_models[name]:
                del self._at_models[name]

    def add(self, ending: Ending) -> None:
        self._pending.append(ending)

    def take(self) -> list[Ending]:
        """Those whose recordings no model has anything of."""
        taken = [ending for ending in self._pending if _source_id(ending) not in self._at_models]
        self._pending = [ending for ending in self._pending if _source_id(ending) in self._at_models]
        return taken


def _source_id(ending: Ending) -> str:
    return ending.segment.source.id if isinstance(ending, Lost) else ending.source.id
