"""Words that were trained from labels, in a table of their own in the lake: `word:NAME` in a query."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from operators.encoders.calibration import VECTOR_KINDS, Evidence, LogisticWeights
from pipeline.lake.lake import Lake
from pipeline.lake.side_table import SideTable
from pipeline.search.target import WORD_PREFIX
from schemas.errors import InvalidValueError, QueryError
from schemas.ids import digest
from schemas.vectors import VectorArray, VectorSpace

_TIME = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("space", pa.string(), nullable=False),  # JSON of the vector space
        pa.field("vector", pa.list_(pa.float32()), nullable=False),
        pa.field("offset", pa.float64(), nullable=False),
        pa.field("cosine", pa.float64(), nullable=False),
        pa.field("right", pa.int64(), nullable=False),
        pa.field("wrong", pa.int64(), nullable=False),
        pa.field("others", pa.int64(), nullable=False),
        pa.field("trained_at", _TIME, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedWord:
    """A word as a query knows it: the log-odds that a region shows it are `offset + cosine · (vector · region)`.

    vector: float32 (D,), of unit length, in `space`. right, wrong: labels that it was trained from; others: regions
    that were taken for not showing it.
    """

    name: str
    space: VectorSpace
    vector: VectorArray
    offset: float
    cosine: float
    right: int
    wrong: int
    others: int
    trained_at: datetime

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^\s:](.{0,62}[^\s:])?", self.name) or not self.name.isprintable():
            raise InvalidValueError(
                f"a word has a name of 1 to 64 characters, without a colon or space at its ends; got {self.name!r}"
            )
        if self.vector.shape != (self.space.dimension,):
            raise InvalidValueError(f"a word has a vector of {self.space.dimension} numbers, got {self.vector.shape}")
        length = float(np.linalg.norm(self.vector.astype(np.float64)))
        if abs(length - 1) > 1e-3:
            raise InvalidValueError(f"a word's vector is of unit length, got {length}")
        self.weights  # noqa: B018  # raises for a cosine below 0

    @property
    def id(self) -> str:
        return digest("word", self.name, self.space.to_json())[:12]

    @property
    def weights(self) -> LogisticWeights:
        """Neither how well the region fits anything counts, nor how well the query does."""
        return LogisticWeights(offset=self.offset, cosine=self.cosine, region=0.0, query=0.0)

    @property
    def evidence(self) -> Evidence:
        """How it is calibrated: for regions as it was trained, and for whole frames as if they were regions."""
        return Evidence(self.vector.astype(np.float64), 0.0, dict.fromkeys(VECTOR_KINDS, self.weights))


class Words:
    """The trained words of a lake. They need no lease, as labels do not."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._table = SideTable(lake, "words", _SCHEMA)

    def read(self) -> tuple[TrainedWord, ...]:
        """All of them, by name."""
        rows = sorted(self._table.read().to_pylist(), key=lambda row: row["trained_at"])
        newest = {row["id"]: _word(row) for row in rows}  # what two processes trained at once is there twice
        return tuple(sorted(newest.values(), key=lambda word: word.name))

    def find(self, name: str, space: VectorSpace) -> TrainedWord:
        """The word of this name for vectors of this space. Raises QueryError where there is none."""
        words = self.read()
        known = [word for word in words if word.space.comparable(space)]
        for word in known:
            if word.name == name:
                return word
        if any(word.name == name for word in words):
            raise QueryError(f"the word {name!r} was trained for vectors of another model: train it again")
        have = ", ".join(repr(word.name) for word in known) or "none yet"
        raise QueryError(
            f"{self._lake.uri} has no trained word {name!r} (there are: {have}); train it from labels with: regionlake "
            f"lab train words --lake {self._lake.uri} --name NAME"
        )

    def add(self, word: TrainedWord) -> None:
        """Stores a word, in place of the one of this name and space."""
        same = {name: getattr(word, name) for name in _SCHEMA.names if name not in ("space", "vector")}
        self._table.replace([same | {"space": word.space.to_json(), "vector": word.vector.tolist()}])

    def remove(self, name: str) -> int:
        """Removes the words of this name; returns how many there were."""
        ids = [word.id for word in self.read() if word.name == name]
        if ids:
            self._table.delete(ids)
        return len(ids)


def trained_name(text: str) -> str | None:
    """The name in `word:NAME`; None for other texts."""
    return text.removeprefix(WORD_PREFIX).strip() if text.startswith(WORD_PREFIX) else None


def _word(row: Mapping[str, Any]) -> TrainedWord:
    same = {name: value for name, value in row.items() if name not in ("id", "space", "vector")}
    vector = np.asarray(row["vector"], np.float32)
    return TrainedWord(**same, space=VectorSpace.from_json(row["space"].encode()), vector=vector)
