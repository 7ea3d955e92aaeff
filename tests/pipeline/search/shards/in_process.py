"""Shards in this process, whose calls go through pickle as those to another process do, and which can be lost."""

import pickle
from collections.abc import Callable
from typing import Any

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.memory.part import Part
from pipeline.search.memory.resident import Resident
from pipeline.search.shards.shard import Shard, ShardSettings
from pipeline.search.shards.sharded_searcher import PartAwayError, ShardCall, ShardedSearcher


class HolderHere:
    """why: why it is away. dies_in: the call in which it dies, and stays away from then on."""

    def __init__(self, settings: ShardSettings) -> None:
        self.shard = Shard(settings)
        self.why: str | None = None
        self.dies_in: ShardCall | None = None
        self.calls: list[str] = []

    def away(self) -> str | None:
        return self.why

    def begin(self, call: ShardCall, *arguments: object) -> Callable[[], Any]:
        sent = pickle.dumps(arguments)

        def wait() -> Any:
            self.calls.append(call)
            if call == self.dies_in:
                self.why = "killed"
                raise PartAwayError("killed")
            return pickle.loads(pickle.dumps(getattr(self.shard, call)(*pickle.loads(sent))))

        return wait


def sharded(
    lake: Lake, encoder: Encoder | None, *, count: int, resident: Resident | None = None, max_age_s: float = 0.0
) -> tuple[ShardedSearcher, list[HolderHere]]:
    column = "vector"
    holders = [
        HolderHere(ShardSettings(lake.uri, column, Part(number, count), resident=resident, max_age_s=max_age_s))
        for number in range(count)
    ]
    return ShardedSearcher(lake, encoder, holders=holders, resident=resident, max_age_s=max_age_s), holders
