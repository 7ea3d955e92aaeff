"""The files of an index: regions in the order of cells and clusters, as whole steps, beside their boxes."""

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
from pipeline.search.index.layout import Layout
from pipeline.search.where import Where
from schemas.boxes import FloatArray
from schemas.errors import RegionLakeError

INDEX = "index"  # folder beside those of the columns
_RECORD = "index.json"
_COARSE = "coarse.npz"
REMEDY = "build it again: regionlake upkeep --tune"
FORM = 3
SIDES = ("x0", "y0", "x1", "y1")
_SPARE = 2.0


class IndexFilesError(RegionLakeError, ValueError):
    """The files of an index are damaged, or of other columns; the answer is then exact without them."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What reading a share of the regions finds of the exact answers.

    area: of the query's box or zone, as a share of the frame; 0 for queries without one. zone: whether it is a zone.
    share: of the regions that can be hits, those that were compared. recall_10, recall_100: means over the queries.
    took_ms: median.
    """

    area: float
    share: float
    recall_10: float
    recall_100: float
    took_ms: float
    zone: bool = False


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

    def share(self, where: Where | None, *, k: int) -> float | None:
        """Twice the least share by which both the next smaller and the next larger box or zone that were measured reach
        the recall, since other queries may be harder than those that were measured; None where one of them does not.

        where: None for anywhere. k: number of hits; up to 10 by the recall at 10, otherwise by that at 100.
        """
        if where is None:
            least = self.reached(0.0, k=k)
            return None if least is None else _SPARE * least
        area = max((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in where.bounds)
        zone = where.box is None
        measured = sorted({point.area for point in self.curve if point.area and point.zone == zone})
        if not measured:
            return None
        around = {max((a for a in measured if a <= area), default=measured[0])}
        around |= {min((a for a in measured if a >= area), default=measured[-1])}
        found = [self.reached(each, k=k, zone=zone) for each in around]
        reached = [each for each in found if each is not None]
        return _SPARE * max(reached) if len(reached) == len(found) else None

    def reached(self, area: float, *, k: int, zone: bool = False) -> float | None:
        """The least share by which boxes or zones of a measured area reach the recall."""
        fits = (
            point.share
            for point in self.curve
            if point.area == area
            and point.zone == zone
            and (point.recall_10 if k <= 10 else point.recall_100) >= self.recall_target
        )
        return min(fits, default=None)


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """What is read of an index at once.

    offsets: int64 (groups + 1,), where the regions of each group begin, those of all clusters of the first cell first.
    low, high: float32 (C, 4), bounds of the boxes of each cell.
    """

    layout: Layout
    offsets: NDArray[np.int64]
    low: FloatArray
    high: FloatArray


def shapes(dimension: int) -> dict[str, tuple[DTypeLike, tuple[int, ...]]]:
    """The files with a row for each region.

    row: of the columns. steps, step: as in RoundedVectors. x0, y0, x1, y1: as in the columns, each in a file of its own
    so that a check of boxes reads nothing else. score: NaN where it is not comparable. cluster: of its vector. apart:
    the length of the difference from the centre of the cluster, or a little more.
    """
    sides: dict[str, tuple[DTypeLike, tuple[int, ...]]] = dict.fromkeys(SIDES, (np.float32, ()))
    return {
        "row": (np.uint32, ()),
        "steps": (np.int8, (dimension,)),
        "step": (np.float32, ()),
        **sides,
        "score": (np.float32, ()),
        "cluster": (np.uint16, ()),
        "apart": (np.float32, ()),
    }


@dataclass(frozen=True, slots=True, eq=False)
class RegionIndex:
    """N regions, those of the first rows of a generation of columns that were alive.

    covered: rows of the columns that were looked at; later ones are not in the index. trained: their number when its
    clusters were found. columns: the arrays of `shapes`.
    tuning: None before it was measured; such an index is not used.
    """

    id: str
    generation: str
    covered: int
    trained: int
    coarse: Coarse
    columns: Mapping[str, NDArray[Any]]
    tuning: Tuning | None

    def __len__(self) -> int:
        return len(self.columns["row"])

    def sides(self, places: NDArray[np.intp] | slice) -> tuple[FloatArray, ...]:
        """x0, y0, x1 and y1 of the boxes at these places, float32 (N,) each."""
        return tuple(self.columns[side][places] for side in SIDES)

    @property
    def bytes(self) -> int:
        return sum(each.nbytes for each in self.columns.values())

    def written(self) -> "Written":
        """What its record says."""
        dimension = self.columns["steps"].shape[1]
        return Written(self.id, self.generation, self.covered, self.trained, len(self), dimension, self.tuning)

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
            coarse = _coarse(held / _COARSE)
            tuning = None if record["tuning"] is None else _tuning(record["tuning"])
        except (OSError, KeyError, TypeError, AttributeError) as error:
            raise IndexFilesError(f"{path} does not describe an index ({error}); {REMEDY}") from error
        counts = int(record["covered"]), int(record["trained"])
        return cls(str(record["id"]), str(record["generation"]), *counts, coarse, columns, tuning)


@dataclass(frozen=True, slots=True)
class Written:
    """What the record says of an index; see RegionIndex. size: number of its regions."""

    id: str
    generation: str
    covered: int
    trained: int
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
    of_layout = {name: getattr(coarse.layout, name) for name in Layout.__dataclass_fields__}
    np.savez(folder / _COARSE, offsets=coarse.offsets, low=coarse.low, high=coarse.high, **of_layout)


def _coarse(path: Path) -> Coarse:
    with np.load(path, allow_pickle=False) as found:
        layout = Layout(**{name: found[name] for name in Layout.__dataclass_fields__})
        return Coarse(layout, found["offsets"], found["low"], found["high"])


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
