"""The files of an index: regions in the order of clusters and cells, as whole steps, beside compact boxes."""

import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from operators.runtime.atomic_write import atomic_write
from schemas.boxes import FloatArray
from schemas.errors import RegionLakeError
from schemas.query import BoxTuple
from schemas.vectors import VectorArray

INDEX = "index"  # folder beside those of the columns
_RECORD = "index.json"
_COARSE = "coarse.npz"
REMEDY = "build it again: regionlake upkeep --tune"
FORM = 1
_SPARE = 2.0
BOX_STEPS = 65535  # a side as a whole number of steps


class IndexFilesError(RegionLakeError, ValueError):
    """The files of an index are damaged, or of other columns; the answer is then exact without them."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What reading a share of the regions finds of the exact answers.

    area: of the query box, as a share of the frame; 0 for queries without one. share: of the regions that can be hits,
    those that were compared. recall_10, recall_100: means over the queries. took_ms: median.
    """

    area: float
    share: float
    recall_10: float
    recall_100: float
    took_ms: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """How much of an index must be read for a recall.

    exact_ns: time of an exact answer for each region that it compares. queries: what was asked, in words. curve: for
    each area, by growing shares.
    """

    recall_target: float
    exact_ns: float
    queries: str
    curve: tuple[CurvePoint, ...]

    def share(self, box: BoxTuple | None, *, k: int) -> float | None:
        """Twice the least share by which both the next smaller and the next larger box that were measured reach the
        recall, since other queries may be harder than those that were measured; None where one of them does not.

        k: number of hits; up to 10 by the recall at 10, otherwise by that at 100.
        """
        if box is None:
            least = self.reached(0.0, k=k)
            return None if least is None else _SPARE * least
        area = (box[2] - box[0]) * (box[3] - box[1])
        measured = sorted({point.area for point in self.curve if point.area})
        around = {max((a for a in measured if a <= area), default=measured[0])} if measured else set()
        around |= {min((a for a in measured if a >= area), default=measured[-1])} if measured else set()
        found = [self.reached(each, k=k) for each in around]
        reached = [each for each in found if each is not None]
        return _SPARE * max(reached) if reached and len(reached) == len(found) else None

    def reached(self, area: float, *, k: int) -> float | None:
        """The least share by which boxes of a measured area reach the recall."""
        fits = (
            point.share
            for point in self.curve
            if point.area == area and (point.recall_10 if k <= 10 else point.recall_100) >= self.recall_target
        )
        return min(fits, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """What is read of an index at once, for L clusters, C cells and S sampled regions of a cell.

    centres: float32 (L, D). spread: float32 (L,), the root mean square distance of a cluster's vectors from its
    centre, divided by that of all. within: float32 (D, D), the covariance of vectors about their centres.
    offsets: int64 (L·C + 1,), where the regions of each group begin, cells of the first cluster first.
    low, high: float32 (C, 4), bounds of the boxes. boxes: float32 (C, S, 4). scores: float32 (C, S), NaN for proposers
    with other scores.
    """

    centres: VectorArray
    spread: FloatArray
    within: FloatArray
    offsets: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    boxes: FloatArray
    scores: FloatArray


def shapes(dimension: int) -> dict[str, tuple[DTypeLike, tuple[int, ...]]]:
    """The files with a row for each region.

    row: of the columns. steps, step: as in RoundedVectors. box: uint16, rounded outwards. score: NaN where it is not
    comparable.
    """
    return {
        "row": (np.uint32, ()),
        "steps": (np.int8, (dimension,)),
        "step": (np.float32, ()),
        "box": (np.uint16, (4,)),
        "score": (np.float16, ()),
    }


@dataclass(frozen=True, slots=True, eq=False)
class RegionIndex:
    """N regions, those of the first rows of a generation of columns that were alive.

    covered: rows of the columns that were looked at; later ones are not in the index. columns: the arrays of `shapes`.
    tuning: None before it was measured; such an index is not used.
    """

    id: str
    generation: str
    covered: int
    coarse: Coarse
    columns: Mapping[str, NDArray[Any]]
    tuning: Tuning | None

    def __len__(self) -> int:
        return len(self.columns["row"])

    @property
    def bytes(self) -> int:
        return sum(each.nbytes for each in self.columns.values())

    @classmethod
    def open(cls, folder: Path, *, dimension: int) -> "RegionIndex | None":
        """The index in this folder of kept columns; None where there is none.

        Raises IndexFilesError where a file is absent, too short, or not what was written.
        """
        path = folder / INDEX / _RECORD
        try:
            record = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise IndexFilesError(f"{path} cannot be read ({error}); {REMEDY}") from error
        try:
            if record["form"] != FORM or record["dimension"] != dimension:
                raise IndexFilesError(f"{path} is of another form; {REMEDY}")
            held = folder / INDEX / str(record["id"])
            raw = (held / _COARSE).read_bytes()
            if zlib.crc32(raw) != record["crc32"]:
                raise IndexFilesError(f"{held / _COARSE} is damaged; {REMEDY}")
            size = int(record["size"])
            columns = {
                name: _mapped(held / name, dtype, (size, *tail)) for name, (dtype, tail) in shapes(dimension).items()
            }
            with np.load(held / _COARSE, allow_pickle=False) as found:
                coarse = Coarse(**{name: found[name] for name in Coarse.__dataclass_fields__})
            tuning = None if record["tuning"] is None else _tuning(record["tuning"])
        except (OSError, KeyError, TypeError, AttributeError) as error:
            raise IndexFilesError(f"{path} does not describe an index ({error}); {REMEDY}") from error
        return cls(str(record["id"]), str(record["generation"]), int(record["covered"]), coarse, columns, tuning)


@dataclass(frozen=True, slots=True)
class Written:
    """What the record says of an index; see RegionIndex. size: number of its regions."""

    id: str
    generation: str
    covered: int
    size: int
    dimension: int
    tuning: Tuning | None


def record_index(folder: Path, index: Written) -> None:
    """Makes the files in `folder/index/id` the index, and deletes others. The caller has synced them."""
    held = folder / INDEX
    record = {"form": FORM, "crc32": zlib.crc32((held / index.id / _COARSE).read_bytes()), **asdict(index)}
    with atomic_write(held / _RECORD) as path:
        path.write_text(json.dumps(record))
    for other in held.iterdir():  # also what a build left that was killed
        if other.is_dir() and other.name != index.id:
            shutil.rmtree(other, ignore_errors=True)


def stamp(folder: Path) -> tuple[int, int]:
    """Changes whenever an index is recorded."""
    try:
        found = (folder / INDEX / _RECORD).stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def save_coarse(folder: Path, coarse: Coarse) -> None:
    np.savez(folder / _COARSE, **{name: getattr(coarse, name) for name in Coarse.__dataclass_fields__})


def coarse_file(folder: Path) -> Path:
    return folder / _COARSE


def _mapped(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    needed = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if (found := path.stat().st_size) != needed:
        raise IndexFilesError(f"{path} has {found} bytes, not {needed}; {REMEDY}")
    return np.asarray(np.memmap(path, dtype, mode="r", shape=shape))


def _tuning(found: dict[str, Any]) -> Tuning:
    curve = tuple(CurvePoint(**point) for point in found["curve"])
    return Tuning(**{**found, "curve": curve})
