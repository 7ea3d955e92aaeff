"""The nearest regions by other libraries, then ranked as ours are, for comparison in the same run."""

import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from operators.encoders.encoder import Encoder
from pipeline.lake.lake import Lake
from pipeline.search.boxed_vectors import BoxedVectors
from pipeline.search.candidates import Candidates
from pipeline.search.filters import overlapping
from pipeline.search.memory.lake_cache import LakeCache
from pipeline.search.scoring import Scorer
from pipeline.search.where import where_of
from schemas.query import BoxTuple, Query

_NEAREST = 1000  # by vectors, which are then ranked by place too
_AT_ONCE = 2**16
_PARTITIONS = 1024
_PROBED = 32
Other = Callable[[str, BoxTuple | None], list[str]]
Find = Callable[[np.ndarray[Any, Any], BoxTuple | None], np.ndarray[Any, Any]]


def other_searches(lake: Lake, encoder: Encoder) -> dict[str, Other]:
    """Name → a search of ten frames by text and box, in tables and indexes that leave the lake as it is."""
    columns = LakeCache(lake, resident="disk")
    columns.refresh()
    found: dict[str, Find] = {**_lancedb(columns), **_faiss(columns)}
    scorer = Scorer()

    def ranked(find: Find) -> Other:
        def ask(text: str, box: BoxTuple | None) -> list[str]:
            vector = encoder.encode_texts([text])[0]
            rows = np.sort(find(vector, box)).astype(np.intp)
            query = Query(text=text, box=box)
            where = where_of(query, uris=columns.uris, ids=columns.source_ids, source=columns.source)
            candidates = Candidates.of(
                [BoxedVectors.of_some_regions(columns, rows)], frames=columns.visible, where=where
            )
            best = candidates.rank(vector, where, ranking=query.ranking, k=query.k, ids=columns.frame_id, scorer=scorer)
            return [columns.frame_id[frame].decode() for frame, _, _ in best]

        return ask

    return {name: ranked(find) for name, find in found.items()}


def _batches(columns: LakeCache) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Rows of columns, and their vectors as float16."""
    vectors = columns.region_vectors
    assert isinstance(vectors, np.ndarray)
    for at in range(0, len(vectors), _AT_ONCE):
        yield np.arange(at, min(at + _AT_ONCE, len(vectors))), vectors[at : at + _AT_ONCE]


def _lancedb(columns: LakeCache) -> dict[str, Find]:
    import lancedb
    from lancedb.index import IvfPq, IvfRq

    folder = tempfile.mkdtemp()
    found: dict[str, Find] = {}

    def record_batches() -> Iterator[pa.RecordBatch]:
        for rows, vectors in _batches(columns):
            sides = {name: side[rows] for name, side in zip(("x0", "y0", "x1", "y1"), columns.boxes, strict=True)}
            flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), columns.dimension)
            yield pa.record_batch({"row": rows, **sides, "vector": flat})

    schema = next(record_batches()).schema
    configs = {
        "LanceDB flat": None,
        "IVF_PQ": IvfPq(distance_type="cosine", num_partitions=_PARTITIONS),
        "IVF_RQ": IvfRq(distance_type="cosine", num_partitions=_PARTITIONS),
    }
    for name, config in configs.items():
        table = lancedb.connect(folder).create_table(name.replace(" ", "_"), record_batches(), schema=schema)
        if config is not None:
            start = time.perf_counter()
            table.create_index("vector", config=config)
            print(f"LanceDB's {name} was built in {time.perf_counter() - start:.0f} s")

        def find(
            vector: np.ndarray[Any, Any],
            box: BoxTuple | None,
            table: lancedb.table.Table = table,
            indexed: bool = config is not None,
        ) -> np.ndarray[Any, Any]:
            made = table.search(vector.astype(np.float16), vector_column_name="vector")
            assert isinstance(made, lancedb.query.LanceVectorQueryBuilder)
            search = made.distance_type("cosine").select(["row"]).limit(_NEAREST)
            if indexed:
                search = search.nprobes(_PROBED).refine_factor(2)
            if box is not None:
                where = f"x0 < {box[2]} AND x1 > {box[0]} AND y0 < {box[3]} AND y1 > {box[1]}"
                search = search.where(where, prefilter=True)
            rows: np.ndarray[Any, Any] = search.to_arrow()["row"].to_numpy()
            return rows

        found[name] = find
    return found


def _faiss(columns: LakeCache) -> dict[str, Find]:
    try:
        import faiss
    except ImportError:
        print("faiss is not compared: it is not installed (pip install faiss-cpu, which RegionLake does not need)")
        return {}
    dimension, count = columns.dimension, len(columns.region_id)
    vectors = columns.region_vectors
    assert isinstance(vectors, np.ndarray)
    some = np.sort(np.random.default_rng(3).choice(count, min(count, 40 * _PARTITIONS), replace=False))
    sample = vectors[some].astype(np.float32)
    found: dict[str, Find] = {}
    for name, key in (("faiss flat", "SQfp16"), ("faiss IVF", f"IVF{_PARTITIONS},SQ8")):
        start = time.perf_counter()
        index = faiss.index_factory(dimension, key, faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
        for _, batch in _batches(columns):
            index.add(batch.astype(np.float32))
        print(f"{name} ({key}) was built in {time.perf_counter() - start:.0f} s")

        def find(
            vector: np.ndarray[Any, Any], box: BoxTuple | None, index: Any = index, ivf: bool = "IVF" in key
        ) -> np.ndarray[Any, Any]:
            chosen = None
            if box is not None:
                bits = np.packbits(overlapping(columns.boxes, box), bitorder="little")
                chosen = faiss.IDSelectorBitmap(bits)
            kind = faiss.SearchParametersIVF if ivf else faiss.SearchParameters
            parameters = kind(sel=chosen, **({"nprobe": _PROBED} if ivf else {}))
            _, rows = index.search(vector[None].astype(np.float32), _NEAREST, params=parameters)
            return rows[0][rows[0] >= 0]  # type: ignore[no-any-return]

        found[name] = find
    return found
