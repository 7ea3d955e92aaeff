"""`regionlake.open`, and the lake that it returns."""

import inspect
from collections.abc import Callable
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar, cast, overload

from regionlake.hits import Hits
from schemas.options import described
from schemas.query import Moment, Query

if TYPE_CHECKING:
    import lance
    import pyarrow as pa

    from pipeline.lake.audit.check import CheckReport
    from pipeline.lake.audit.lake_status import LakeStatus
    from pipeline.plan.plan import Plan
    from schemas.tables import TableName

P = ParamSpec("P")
Self_ = TypeVar("Self_")
Search = TypeVar("Search", bound=Callable[..., Hits])


def open(
    uri: str | PathLike[str],
    *,
    model: str | None = None,
    dimensions: int | None = None,
    resident: Literal["float16", "int8", "disk"] | None = None,
    shards: int | None = None,
) -> "Lake":
    """Opens a lake that exists: a folder, or s3://bucket/prefix.

    model: the model whose vectors are searched; by default the one that the lake was made with.
    dimensions: the length of the vectors that are searched, where the lake has several lengths of the model's.
    resident: how a search holds the lake's columns. "float16": in memory, as they are stored. "int8" takes half of it:
        the nearest are found by rounded vectors, and ranked by their stored ones, which are read from the lake. "disk":
        in files of the lake's folder that are mapped into memory and shared by all processes, so that the next search
        begins at once and a lake may be larger than memory. None chooses "disk" where such files are there, or the lake
        needs more than half of the free memory, and "float16" elsewhere.
    shards: number of parts into which the lake is shared out over actors of Ray, in the cluster of RAY_ADDRESS or on
        this machine; 0 for one on each machine. None searches in this process.
    Raises LakeError if there is no lake, if it is incomplete, or if an incompatible version wrote it.
    """
    return Lake(uri, model=model, dimensions=dimensions, resident=resident, shards=shards)


def takes(_: Callable[P, Query]) -> Callable[[Callable[[Self_], Hits]], Callable[Concatenate[Self_, P], Hits]]:
    """Gives a method the parameters of Query for type checkers, so that they are listed once."""
    return lambda method: cast(Callable[Concatenate[Self_, P], Hits], method)


def described_search(search: Search) -> Search:
    """Gives the method the signature of Query, and a docstring that describes its options."""
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [self, *inspect.signature(Query).parameters.values()]
    search.__signature__ = inspect.Signature(parameters, return_annotation=Hits)  # type: ignore[attr-defined]
    search.__doc__ = f"{inspect.cleandoc(search.__doc__ or '')}\n\n{described(Query)}\n"
    return search


def query_of(*args: Any, **options: Any) -> Query:
    """The query that a search was called with: a Query, or its fields as arguments."""
    return args[0] if args and isinstance(args[0], Query) else Query(*args, **options)


class Lake:
    """An open lake; `with` closes it. The model is loaded by the first search that needs one."""

    def __init__(
        self,
        uri: str | PathLike[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        resident: Literal["float16", "int8", "disk"] | None = None,
        shards: int | None = None,
    ) -> None:
        from pipeline.lake.lake import Lake as OpenLake
        from pipeline.search.session import SearchSession

        self._lake = OpenLake.open(fspath(uri))
        self._session = SearchSession(self._lake, model=model, dimensions=dimensions, resident=resident, shards=shards)

    @overload
    def search(self, query: Query, /) -> Hits: ...

    @overload
    @takes(Query)
    def search(self) -> Hits: ...

    @described_search
    def search(self, *args: Any, **options: Any) -> Hits:
        """Finds frames by what they show and where: the nearest `k`, each with its best place.

        Takes a Query, or its fields as arguments; boxes are fractions of the frame, `(x0, y0, x1, y1)`.

        >>> hits = lake.search("a bicycle", box=(0.5, 0.4, 1.0, 1.0), k=3)
        >>> [hit.rank for hit in hits]
        [1, 2, 3]
        >>> lake.search(hits.query)[0].frame_id == hits[0].frame_id
        True
        """
        return Hits(self._session.search(query_of(*args, **options)), self._lake)

    def table(self, name: "TableName") -> "lance.LanceDataset":
        """The newest version of a table as a Lance dataset: `.to_table(columns=…, filter=…)` returns Arrow.

        >>> lake.table("regions").to_table(columns=["x0", "y0"], filter="area > 0.5").column_names
        ['x0', 'y0']
        """
        return self._lake.dataset(name)

    def sql(
        self,
        query: str,
        *,
        source: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        timeout_s: float = 60.0,
        memory_bytes: int = 2**30,
    ) -> "pa.Table":
        """Answers one SELECT over the lake's tables and views, which pipeline/analysis/README.md describes.

        source: only sources whose path, URL or feed contains this, or matches it as a glob. since, until: the time of
        frames and regions, half-open: UTC, or seconds within each source.
        Raises QueryError for another statement, a mistake, and a query that exceeds a limit.

        >>> lake.sql("SELECT max(at_s) > 0 AS later, count(DISTINCT source) AS sources FROM frames").to_pylist()
        [{'later': True, 'sources': 1}]
        """
        from pipeline.analysis.lake_rows import LakeRows
        from pipeline.analysis.sql import SqlLimits, run_sql

        limits = SqlLimits(timeout_s=timeout_s, memory_bytes=memory_bytes)
        return run_sql(LakeRows(self._lake, source, since=since, until=until), query, limits=limits)

    def sources(self) -> "pa.Table":
        """One row for each file, picture and recording, with its state.

        >>> lake.sources()["state"].to_pylist()
        ['complete']
        """
        return self._lake.read("sources")

    def status(self) -> "LakeStatus":
        """What the lake holds, what could not be read, and who is writing it.

        >>> lake.status().sources
        {'complete': 1}
        """
        from pipeline.lake.audit.lake_status import status

        return status(self._lake)

    def check(self) -> "CheckReport":
        """Audits the lake: no row may be lost, and none may be there twice.

        >>> lake.check().ok
        True
        """
        from pipeline.lake.audit.check import check

        return check(self._lake)

    @property
    def plan(self) -> "Plan":
        """The plan of most of its sources, with which `ingest` adds more of them.

        Class paths, and models and other files that a lake names, are omitted; see `regionlake plan --lake`.
        Raises LakeError if the lake stores no plan: it has no sources, or RegionLake 0.1.0 ingested them.

        >>> lake.plan.model
        'everyday'
        """
        from pipeline.lake.plans import stored_plans
        from pipeline.plan.lake_plan import read_lake_plan

        plan, _ = stored_plans(self._lake).found[0]
        return read_lake_plan(plan.toml).plan

    @property
    def uri(self) -> str:
        return self._lake.uri

    def close(self) -> None:
        """Ends the threads of the search, and unloads the model."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self._lake!r}>"
