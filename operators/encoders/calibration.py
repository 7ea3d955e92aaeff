"""Turns cosines into chances: that a region shows what words say, or the same class as a picture.

A cosine means something else for each region: one that fits nothing well is far from all words, and one that fits many
things is near to all of them. Its log-partition over common nouns, which is how well it fits anything, puts all on one
scale, as a cohort of other speakers does in the verification of one (Auckenthaler et al., "Score Normalization for
Text-Independent Speaker Verification Systems", Digital Signal Processing, 2000). It depends on the region's vector
alone, so nothing is stored for a region but that.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol, Self, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from operators.encoders.encoder import Encoder
from operators.runtime.blas_threads import one_blas_thread
from schemas import require
from schemas.errors import ModelError
from schemas.vectors import VectorArray

Doubles = NDArray[np.float64]
CALIBRATION = "confidence.safetensors"  # the name of a calibration's file, beside the weights of its model
_FORMAT = "regionlake.calibration.1"
_ROWS = 512  # rows whose products with all nouns are in memory together: 4 MB for a thousand nouns


QueryKind = Literal["words", "part", "picture"]
VectorKind = Literal["region", "frame"]
QUERY_KINDS: tuple[QueryKind, ...] = get_args(QueryKind)
VECTOR_KINDS: tuple[VectorKind, ...] = get_args(VectorKind)


@dataclass(frozen=True, slots=True)
class LogisticWeights:
    """Weights of a logistic regression: log-odds = offset + cosine · c − region · L(r) − query · L(q).

    c: the cosine of region and query. L(r), L(q): how well the region and the query fit anything, as log-partitions.
    cosine and region are at least 0: where the cosine is greater the chance is never lower, and where other things fit
    better it is never higher.
    """

    offset: float
    cosine: float
    region: float
    query: float

    def __post_init__(self) -> None:
        require.at_least(0, cosine=self.cosine, region=self.region)

    def log_odds(self, cosines: Doubles, *, of_regions: Doubles | float, of_query: Doubles | float) -> Doubles:
        """float64 (N,). cosines: float64 (N,). of_regions: L(r), or a lower bound of all. of_query: L(q)."""
        odds: Doubles = self.offset + self.cosine * cosines - self.region * of_regions - self.query * of_query
        return odds


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """How one query is calibrated. vector: float64 (D,), of the query. of_query: its log-partition."""

    vector: Doubles
    of_query: float
    weights: Mapping[VectorKind, LogisticWeights]

    def log_odds(self, cosines: Doubles, of_regions: Doubles | float, *, kind: VectorKind) -> Doubles:
        """float64 (N,): log-odds that vectors of a kind show what the query asks for.

        cosines: float64 (N,), with the query. of_regions: their log-partitions, or a lower bound of all.
        """
        return self.weights[kind].log_odds(cosines, of_regions=of_regions, of_query=self.of_query)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What is needed to calibrate one revision of a model's vectors. All vectors are of unit length.

    nouns: float32 (K, D), vectors of common nouns. shares: float32 (K,), their shares of a log-partition; the sum is 1.
    scale: factor of cosines in log-partitions, log Σ share · exp(scale · cosine).
    weights: for queries by words, by a part of a picture, and by a whole one, each compared with regions and with whole
        frames. A region shows a thing if it consists of it by half, or if it has half of it and that is a tenth of the
        region; a whole frame shows everything in it.
    """

    nouns: VectorArray
    shares: VectorArray
    scale: float
    weights: Mapping[tuple[QueryKind, VectorKind], LogisticWeights]
    _nouns: Doubles = field(init=False, repr=False)  # (D, K)
    _log_shares: Doubles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require.above(0, scale=self.scale)
        require.same_length(nouns=self.nouns, shares=self.shares)
        object.__setattr__(self, "_nouns", np.ascontiguousarray(self.nouns.T, np.float64))
        object.__setattr__(self, "_log_shares", np.log(self.shares.astype(np.float64)))

    def evidence(self, query: VectorArray, kind: QueryKind) -> Evidence:
        """How a query is calibrated. query: float32 (D,), its vector."""
        of_query = float(self.log_partition(query[None])[0])
        return Evidence(query.astype(np.float64), of_query, {each: self.weights[kind, each] for each in VECTOR_KINDS})

    @one_blas_thread()  # two threads would gain less than their spinning costs the next call
    def log_partition(self, vectors: NDArray[np.floating]) -> Doubles:
        """float64 (N,): log Σ share · exp(scale · n·v) over the nouns n, for each vector v of (N, D)."""
        found = np.empty(len(vectors))
        for start in range(0, len(vectors), _ROWS):
            rows = slice(start, start + _ROWS)
            values = self.scale * (vectors[rows].astype(np.float64) @ self._nouns) + self._log_shares
            most = values.max(axis=1)
            found[rows] = np.log(np.exp(values - most[:, None]).sum(axis=1)) + most
        return found

    @property
    def least_log_partition(self) -> float:
        """What the log-partition of no vector of unit length is below, as float16 numbers may round it.

        By Jensen's inequality: log Σ share · exp(s · n·v) ≥ s · mean(n)·v ≥ −s · |mean(n)| · |v|.
        """
        return -1.001 * self.scale * float(np.linalg.norm(self._nouns @ self.shares.astype(np.float64)))

    def save(self, path: Path, *, revision: str) -> None:
        """Writes the calibration, its nouns rounded to float16. revision: of the model whose vectors it is for."""
        from safetensors.numpy import save

        weights = {f"{query}/{vector}": asdict(each) for (query, vector), each in self.weights.items()}
        stated = {"revision": revision, "scale": self.scale, "weights": weights}
        # one entry, because safetensors writes several in an order that differs from run to run
        data = np.concatenate([self.nouns, self.shares[:, None]], axis=1).astype(np.float16)
        path.write_bytes(save({"nouns_and_shares": data}, metadata={_FORMAT: json.dumps(stated, sort_keys=True)}))

    @classmethod
    def load(cls, path: Path, *, revision: str) -> Self | None:
        """Reads a saved calibration; None if there is none, or if it is for another revision of the model.

        Raises ModelError for a file that is no calibration.
        """
        if not path.is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                stated = json.loads((file.metadata() or {})[_FORMAT])
                if stated["revision"] != revision:
                    return None
                data = file.get_tensor("nouns_and_shares").astype(np.float32)
            weights = {
                (query, vector): LogisticWeights(**stated["weights"][f"{query}/{vector}"])
                for query in QUERY_KINDS
                for vector in VECTOR_KINDS
            }
            return cls(data[:, :-1], data[:, -1], float(stated["scale"]), weights)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path} is not a calibration: {error}") from error


@runtime_checkable
class CalibratedEncoder(Protocol):
    """What an encoder has besides the methods of `Encoder` if its hits have a confidence.

    calibration: for the vectors of its `space`; None if it has none for this revision.
    """

    @property
    def calibration(self) -> Calibration | None: ...


def calibration_of(encoder: Encoder) -> Calibration | None:
    """The calibration of an encoder; None if it has none."""
    return encoder.calibration if isinstance(encoder, CalibratedEncoder) else None


def chance(log_odds: Doubles) -> Doubles:
    """float64: the probability of log-odds."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * log_odds)), np.float64)  # no overflow for large ones
