"""Arrow columns of a lake as NumPy arrays."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from operators.ranking.fusion import IdArray
from pipeline.search.memory.buffers import Columns
from schemas.tables import CODE_BYTES


def numbers_of(column: pa.ChunkedArray, names: list[str], numbers: dict[str, int]) -> NDArray[np.int64]:
    """The index of each value in `names`, −1 where it is null; new names are appended, to `numbers` as well."""
    coded = pc.dictionary_encode(column.combine_chunks())
    for name in coded.dictionary.to_pylist():
        if name not in numbers:
            numbers[name] = len(names)
            names.append(name)
    places = np.array([numbers[name] for name in coded.dictionary.to_pylist()] + [-1], np.int64)
    found: NDArray[np.int64] = places[pc.fill_null(coded.indices, -1).to_numpy()]
    return found


def int64_of(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(), np.int64)


def ids_of(column: pa.ChunkedArray) -> IdArray:
    """Ids as bytes (N,), of fixed width, so that NumPy can sort and compare them."""
    return np.asarray(column.cast(pa.binary()).to_numpy(zero_copy_only=False), "S32")


def codes_of(column: pa.ChunkedArray) -> Columns:
    """code: uint8 (N, 32) from a column of fixed-size lists, zero where it is null; coded: bool (N,)."""
    values = column.combine_chunks()
    coded = values.is_valid().to_numpy(zero_copy_only=False)
    codes = np.zeros((len(values), CODE_BYTES), np.uint8)
    codes[coded] = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, CODE_BYTES)
    return {"code": codes, "coded": coded}


def vectors_of(column: pa.ChunkedArray) -> Columns:
    """vector: float16 (N, D) from a column of fixed-size lists, zero where it is null; embedded: bool (N,)."""
    values = column.combine_chunks()
    embedded = values.is_valid().to_numpy(zero_copy_only=False)
    flat = values.flatten().to_numpy(zero_copy_only=False)  # without those that are null
    held = np.asarray(flat, np.float16).reshape(-1, values.type.list_size)
    if embedded.all():
        return {"vector": held, "embedded": embedded}
    vector = np.zeros((len(values), values.type.list_size), np.float16)
    vector[embedded] = held
    return {"vector": vector, "embedded": embedded}


def positions(wanted: IdArray, ids: IdArray, alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """int64 (N,): the row of each wanted id among the `ids` that are alive, −1 where it is not among them."""
    rows = np.flatnonzero(alive)
    if not len(rows) or not len(wanted):
        return np.full(len(wanted), -1, np.int64)
    order = rows[np.argsort(ids[rows])]
    # regions come frame by frame: each run of one frame is looked up once
    first = np.flatnonzero(np.concatenate([[True], wanted[1:] != wanted[:-1]]))
    runs = wanted[first]
    place = np.minimum(np.searchsorted(ids[order], runs), len(order) - 1)
    found = np.where(ids[order[place]] == runs, order[place], -1)
    return np.repeat(found, np.diff(first, append=len(wanted)))
