"""What a build has done so far: files that are whole or absent, so that the next one continues after a kill."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.runtime.atomic_write import atomic_write
from operators.runtime.own_folder import make_own_folder
from pipeline.search.index.layout import Layout, features_of
from pipeline.search.index.region_index import FORM, SIDES, shapes
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.memory.rounded_vectors import rounded
from schemas.boxes import FloatArray
from schemas.errors import LakeError

CHUNK = 2**18  # rows of columns
_AT_ONCE = 2**14  # rows whose vectors are widened together
_BUILDING, _LAYOUT, _RECORD, _LOCK = "building", "layout.npz", "building.json", "building.lock"


def record_type(dimension: int) -> np.dtype[np.void]:
    """Of a chunk's rows: the number of the group, and the columns of an index."""
    columns = [(name, dtype, tail) for name, (dtype, tail) in shapes(dimension).items()]
    return np.dtype([("group", np.int32), *columns])


class ChunkFiles:
    """A layout, and chunks of regions in its order, in a folder beside the index that is used.

    A chunk holds the regions of `CHUNK` rows of columns that were alive, by ascending groups. All are of one generation
    of columns, whose rows never change.
    """

    def __init__(self, folder: Path, layout: Layout, *, trained: int) -> None:
        self._folder = folder
        self.layout = layout
        self.trained = trained

    @classmethod
    def begin(cls, index: Path, generation: str, layout: Layout, *, trained: int) -> "ChunkFiles":
        """Begins a build, without what another one left. trained: rows that there were when the layout was found."""
        folder = index / _BUILDING
        shutil.rmtree(folder, ignore_errors=True)
        make_own_folder(folder)
        with atomic_write(folder / _LAYOUT) as path:
            layout.save(path)
        with atomic_write(folder / _RECORD) as path:  # last: without it nothing counts
            path.write_text(json.dumps({"form": FORM, "generation": generation, "trained": trained}))
        return cls(folder, layout, trained=trained)

    @classmethod
    def resume(cls, index: Path, generation: str) -> "ChunkFiles | None":
        """What a build of these columns left that was killed; None where there is nothing to continue."""
        folder = index / _BUILDING
        try:
            record = json.loads((folder / _RECORD).read_text())
            if record["form"] != FORM or record["generation"] != generation:
                return None
            return cls(folder, Layout.load(folder / _LAYOUT), trained=int(record["trained"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, columns: LakeCache, first: int, stop: int) -> Path:
        """Writes the chunk of these rows unless it is there."""
        path = self._folder / f"{first:012d}-{stop:012d}.npy"
        if not path.is_file():
            made = _chunk(columns, self.layout, first, stop)
            with atomic_write(path) as writing, writing.open("wb") as file:
                np.save(file, made)
        return path

    def delete(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def read_chunk(path: Path) -> NDArray[np.void]:
    """The rows of a chunk, mapped. Raises OSError or ValueError where it is damaged."""
    found: NDArray[np.void] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


@contextmanager
def building_alone(index: Path) -> Iterator[None]:
    """Holds the lock of builders. Raises LakeError where another process builds this index."""
    make_own_folder(index)
    file = os.open(index / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise LakeError(f"another process is building the index in {index}; wait for it") from error
    finally:
        os.close(file)


def _chunk(columns: LakeCache, layout: Layout, first: int, stop: int) -> NDArray[np.void]:
    vectors = columns.region_vectors
    assert isinstance(vectors, np.ndarray)
    rows = np.arange(first, stop)
    rows = rows[columns.alive_at(rows)]
    made = np.empty(len(rows), record_type(columns.dimension))
    for at in range(0, len(rows), _AT_ONCE):
        some, out = rows[at : at + _AT_ONCE], made[at : at + _AT_ONCE]
        features, stored = features_of(columns, some), vectors[some]
        out["group"] = layout.group_of(stored, features)
        out["row"] = some
        out["steps"], out["step"], _ = rounded(stored)
        out["cluster"] = out["group"] % layout.clusters
        out["apart"] = _apart(stored, layout.centres[out["cluster"]])
        for axis, name in enumerate(SIDES):
            out[name] = features[:, axis]
        out["score"] = columns.one_scale_score(some)
    return made[np.argsort(made["group"], kind="stable")]


def _apart(vectors: NDArray[np.float16], centres: FloatArray) -> FloatArray:
    """float32 (N,): no less than the length of each difference."""
    length = np.linalg.norm(vectors.astype(np.float64) - centres, axis=1)
    above: FloatArray = np.nextafter(length.astype(np.float32), np.float32(np.inf))
    return above
