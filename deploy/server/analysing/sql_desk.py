"""Answers SQL over the sources that somebody sees, with their names in place of paths."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import pyarrow as pa

from deploy.server.showing.catalogue import Catalogue, Sources
from deploy.tables.json_values import json_value
from operators.encoders.encoder import Encoder
from pipeline.analysis.lake_rows import LakeRows
from pipeline.analysis.likely_class import ClassOdds, odds_by
from pipeline.analysis.objects import Objects, find_objects
from pipeline.analysis.sql import SqlLimits, require_select, run_sql
from pipeline.lake.lake import Lake
from schemas.errors import QueryError
from schemas.query import Moment
from schemas.query_json import Json

LIMITS = SqlLimits(timeout_s=20.0, memory_bytes=2**29, table_bytes=2**31, result_bytes=2**25)
_MOST_VALUES = 2_000_000  # of an answer: each takes some 200 bytes on its way to JSON, though one bit before
_KEPT = 4  # objects of so many views of the lake; those of a thousand tracks take about 1 MB


class SqlDesk:
    """Answers SELECTs, and keeps the objects that it found. Any thread may call it.

    encoder: returns the loaded model, which names things; raises ModelError without one.
    """

    def __init__(self, lake: Lake, encoder: Callable[[], Encoder], *, limits: SqlLimits = LIMITS) -> None:
        self._lake = lake
        self._encoder = encoder
        self._limits = limits
        self._lock = threading.Lock()
        self._odds: ClassOdds | None = None
        self._objects: OrderedDict[object, Objects] = OrderedDict()

    def answer(
        self,
        query: str,
        sources: Sources,
        *,
        rows: int,
        chosen: Sequence[str] = (),
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> Json:
        """The answer as the service's JSON, of at most so many rows.

        Every other source is excluded before the query runs. chosen: the service's ids of some of them; none for all.
        since, until: of frames and regions. Raises QueryError as `run_sql` does, RequestError for an unknown id.
        """
        require_select(query)
        catalogue = sources()
        allowed = None if sources.grants.everything else frozenset(catalogue.served)
        if chosen:
            allowed = frozenset(catalogue.chosen(chosen))
        seen = LakeRows(self._lake, allowed=allowed, since=since, until=until)
        found = run_sql(
            seen,
            query,
            limits=self._limits,
            find=self._find,
            shown=lambda _, table: with_names(table, catalogue, sources),
        )
        shown = found.slice(0, rows)
        if (count := sum(_values(chunk) for column in shown.columns for chunk in column.chunks)) > _MOST_VALUES:
            raise QueryError(
                f"the answer has {count:,} values with those in lists, and at most {_MOST_VALUES:,} are sent: choose "
                "fewer rows or columns, or aggregate"
            )
        return {
            "columns": [{"name": each.name, "type": str(each.type)} for each in found.schema],
            "rows": [list(map(json_value, row)) for row in _by_position(shown)],
            "more": found.num_rows > rows,
        }

    def _find(self, rows: LakeRows) -> Objects:
        """The objects of these rows, found once for each state of the lake."""
        with self._lock:
            known = self._objects.pop(rows.state, None)
            found = known or find_objects(rows, find_odds=self._class_odds)
            self._objects[rows.state] = found
            while len(self._objects) > _KEPT:
                self._objects.popitem(last=False)
            return found

    def _class_odds(self, _: Lake) -> ClassOdds | None:
        if self._odds is None:
            self._odds = odds_by(self._encoder())
        return self._odds


def with_names(table: pa.Table, catalogue: Catalogue, sources: Sources) -> pa.Table:
    """The table with the service's names of sources in place of paths and addresses."""
    key = next((name for name in ("source_id", "id") if name in table.schema.names), None)
    if key is None or "source" not in table.schema.names:
        return table
    names = {id: catalogue.of_row(id).name for id in catalogue.served}
    named = pa.array([names.get(id, "another source") for id in table[key].to_pylist()], pa.string())
    for column in ("source", "feed"):
        if column in table.schema.names:
            table = table.set_column(table.schema.get_field_index(column), column, named)
    if "error" in table.schema.names:
        hidden = [None if text is None else sources.hide(text) for text in table["error"].to_pylist()]
        table = table.set_column(table.schema.get_field_index("error"), "error", pa.array(hidden, pa.string()))
    return table


def _values(array: pa.Array) -> int:
    """The number of values, with those that values have inside."""
    kind = array.type
    inner: list[pa.Array] = []
    if pa.types.is_map(kind):
        first, stop = array.offsets[0].as_py(), array.offsets[-1].as_py()
        inner = [each.slice(first, stop - first) for each in (array.keys, array.items)]
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = [array.flatten()]
    elif pa.types.is_struct(kind):
        inner = array.flatten()
    elif pa.types.is_union(kind):
        inner = [array.field(number) for number in range(kind.num_fields)]
    return len(array) + sum(map(_values, inner))


def _by_position(rows: pa.Table) -> Sequence[Sequence[object]]:
    """Two columns may have one name. Raises QueryError for a time that no calendar has."""
    try:
        return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    except (OverflowError, ValueError) as error:  # the year 290000, or `infinity`
        raise QueryError(f"the answer has a time that JSON cannot have ({error}): cast it to VARCHAR") from None
