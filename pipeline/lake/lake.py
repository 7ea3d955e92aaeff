"""A lake: one LanceDB database whose tables follow schemas/tables.py, in a folder or a bucket.

Tables are read as Lance datasets and changed through LanceDB. Importing LanceDB takes longer than a search, so only
code that changes a table imports it.
"""

import errno
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import lance
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.lake.database import connect
from pipeline.lake.durability import Durability
from pipeline.lake.lease.writer_lease import WriterLease, writer_of
from pipeline.lake.local_folder import local_folder
from pipeline.lake.spans import spans_by_source
from pipeline.runtime.time_source import REAL_TIME, TimeSource
from schemas.clock import Span
from schemas.errors import LakeError, ModelError, RegionLakeError
from schemas.file_names import printable
from schemas.tables import (
    ADDED_TABLES,
    TABLE_NAMES,
    TableName,
    is_current,
    missing_columns,
    require_version,
    schema_of,
    vector_space,
    vector_spaces,
    version_metadata,
    with_added_columns,
)
from schemas.vectors import VectorSpace

if TYPE_CHECKING:
    import lancedb
    from lancedb.table import LanceTable

# An open lake caches so many bytes of file footers and manifests, and as many of indexes. Every version that is opened
# adds its own, which are not used once there is a newer version; by default Lance keeps 7 GB. Measured with 1,500
# commits: it held 532 MB; a commit to 100 fragments makes 78 reads with 4 MB, 76 with 16 and with 64.
CACHE_BYTES = 32 * 2**20
# `error` of a done segment whose repeats are no longer in its counts, and still in `regions`
REPEATS_LEFT = "regions that repeat earlier ones are being removed"


def open_dataset(uri: str, table: str, *, session: Any = None) -> lance.LanceDataset | None:
    """A table of the lake at `uri` at its newest version; None if it does not exist. session: holds Lance's caches."""
    try:
        dataset = lance.dataset(f"{uri.rstrip('/')}/{table}.lance", session=session)
        if not dataset.schema.names:  # a manifest of zeros opens as one without columns
            raise ValueError(f"the newest manifest of {table} is empty")
        return dataset
    except ValueError as error:  # Lance has no error class for a missing dataset
        if "was not found" not in str(error):
            raise
        return None


@contextmanager
def lake_errors(doing: str, *, lake: str | None = None) -> Iterator[None]:
    """Raises errors of the storage (disk full, no permission, a broken file) as a LakeError that says where.

    lake: URI of the lake, whose files are examined: Lance's errors often do not name the damaged one.
    """
    try:
        yield
    except RegionLakeError:
        raise
    except BaseException as error:
        # a damaged file makes Lance panic, which is no Exception
        if not isinstance(error, OSError | RuntimeError | ValueError) and type(error).__name__ != "PanicException":
            raise
        raise LakeError(f"{doing} failed: {_reason(error, lake)}") from error


def _reason(error: BaseException, lake: str | None) -> str:
    """What the storage reports, with advice where there is one."""
    # Lance ends its messages with the line of its own source, and escapes line breaks
    text = re.sub(r",? ?\S*/lance/rust/\S+\.rs:\d+:\d+", "", str(error).strip().replace("\\n", ", "))
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text:
        return f"{text}; free space, then run again"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS) or "Permission denied" in text or "Read-only file" in text:
        return f"{text}; this user needs the right to read and write there"
    if lake is not None and "commit conflict" not in text:
        from pipeline.lake.repair.damage import find_damage  # only after an error

        damage = find_damage(lake)
        if damage is not None:
            return f"{damage}; run: regionlake repair --lake {lake}"
    if type(error).__name__ == "PanicException":
        return f"{text}; a file of the lake is damaged: run regionlake check"
    return text


class Lake:
    """An open lake. Reading needs no lock; writing goes through a Committer.

    uri: folder, or s3://bucket/prefix (with credentials from the environment).
    time: clock of a snapshot's wait. lease: that of its writer, while this process is it.
    space: the vector space of `frames.vector`, `regions.vector`, `patches.vectors`.
    """

    def __init__(self, uri: str, datasets: dict[TableName, lance.LanceDataset]) -> None:
        self.uri = uri
        self.time: TimeSource = REAL_TIME
        self.lease: WriterLease | None = None
        self._datasets = datasets
        self._database: lancedb.DBConnection | None = None
        self._tables: dict[TableName, LanceTable] = {}
        self._opening = threading.Lock()
        self.durability = Durability(self.folder)
        self.space: VectorSpace = vector_space(datasets["regions"].schema)

    @classmethod
    def open(cls, uri: str) -> Self:
        """Opens an existing lake.

        Raises LakeError if there is none, if it was created only in part, or if another version wrote it.
        """
        _require_utf8(uri)
        folder = local_folder(uri)
        if folder is not None and not folder.is_dir():
            raise LakeError(f"no lake at {uri}; make one with: regionlake ingest SOURCE --lake {uri}")
        with lake_errors(f"opening the lake {uri}", lake=uri):
            datasets = _open_datasets(uri)
        if not datasets:
            raise LakeError(f"{uri} is not a lake; make one with: regionlake ingest SOURCE --lake {uri}")
        missing = [name for name in TABLE_NAMES if name not in datasets and name not in ADDED_TABLES]
        if missing:
            raise LakeError(
                f"the lake {uri} lacks the tables {', '.join(missing)}; "
                "if its first ingest was interrupted, run it again; otherwise restore them from a copy, or run: "
                f"regionlake repair --lake {uri}"
            )
        for name, dataset in datasets.items():
            require_version(dataset.schema, lake=f"table {name} of the lake {uri}")
        return cls(uri, datasets)

    @classmethod
    def create_or_open(cls, uri: str, space: VectorSpace) -> Self:
        """Opens the lake, or creates it with vectors of `space`; an interrupted creation is completed.

        Raises LakeError if it cannot be created or opened, ModelError if its vectors are of another space.
        """
        _require_utf8(uri)
        folder = local_folder(uri)
        with lake_errors(f"making the lake {uri}", lake=uri):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                from pipeline.lake.repair.tables import drop_damaged_indexes, roll_back_torn

                roll_back_torn(folder)
                drop_damaged_indexes(folder)
            found = _open_datasets(uri)
            missing = [name for name in TABLE_NAMES if name not in found]
            ledger = found.get("segments", found.get("sources"))
            if ledger is None or not ledger.count_rows() or ADDED_TABLES.issuperset(missing):
                _create(uri, missing, space)  # else a table was lost, which `open` reports
        lake = cls.open(uri)
        for name in lake.names:
            require_version(lake.dataset(name).schema, lake=f"table {name} of the lake {uri}", writing=True)
        lake.space.require_same(space, lake=uri)
        return lake

    def migrate(self) -> None:
        """Adds the tables and columns that were added after the lake was created; call it with the writer's lease.

        No row is rewritten. Afterwards older releases read the lake, and refuse to write it.
        Raises LakeError for a lake of a newer release, or if the storage fails.
        """
        for name in self.names:
            require_version(self.dataset(name).schema, lake=f"table {name} of the lake {self.uri}", writing=True)
        with lake_errors(f"adding tables and columns to the lake {self.uri}", lake=self.uri):
            _create(self.uri, [name for name in TABLE_NAMES if name not in self.names], self.space)
            for name in self.names:
                missing = missing_columns(self.dataset(name).schema, name, self.space)
                if missing:
                    self.table(name).add_columns(missing)
                if not is_current(self.dataset(name).schema):
                    self.writable(name).update_schema_metadata({**version_metadata()})

    def make_durable(self, *names: TableName) -> None:
        """Syncs these tables, or all: what they hold at their newest version outlives a power cut after this call.

        What was synced before is not synced again. Raises LakeError if the storage fails; from then on, until
        `roll_back_unsynced`, for these tables always.
        """
        with lake_errors(f"syncing {', '.join(names) or 'the tables'} of {self.uri}", lake=self.uri):
            self.durability.sync((name, self.dataset(name)) for name in names or self.names)

    def roll_back_unsynced(self) -> None:
        """Returns the tables that could not be synced to their newest durable version, for the one writer.

        Raises LakeError if the storage fails.
        """
        for name, version in self.durability.doubtful.items():
            with lake_errors(f"rolling {name} of {self.uri} back to version {version}", lake=self.uri):
                self.writable(cast("TableName", name)).checkout_version(version).restore()  # type: ignore[no-untyped-call]
                self.durability.trust(name)
            self.make_durable(cast("TableName", name))

    @property
    def folder(self) -> Path | None:
        """The folder of a local lake; None for a bucket."""
        return local_folder(self.uri)

    @property
    def names(self) -> tuple[TableName, ...]:
        """The tables that exist: all, except those that were added after the lake was created."""
        for name in ADDED_TABLES - self._datasets.keys():  # a writer may have added it meanwhile
            with lake_errors(f"opening table {name} of {self.uri}", lake=self.uri):
                found = open_dataset(self.uri, name)
            if found is not None:
                self._datasets[name] = found
        return tuple(name for name in TABLE_NAMES if name in self._datasets)

    def dataset(self, name: TableName) -> lance.LanceDataset:
        """The table at its newest version, for reading; later commits do not change the returned dataset."""
        held = self._datasets[name]
        with lake_errors(f"reading table {name} of {self.uri}", lake=self.uri):
            newest = held.latest_version
            if newest != held.version:
                held = self._datasets[name] = held.checkout_version(newest)
        return held

    def table(self, name: TableName) -> "LanceTable":
        """The table at its newest version, for changes; it is shared, so do not check out another version of it.

        Raises LeaseLostError where this process was the lake's writer, and another may be by now.
        """
        with lake_errors(f"opening table {name} of {self.uri}", lake=self.uri):
            with self._opening:
                if name not in self._tables:
                    self._database = self._database or connect(self.uri, cache_bytes=CACHE_BYTES)
                    self._tables[name] = cast("LanceTable", self._database.open_table(name))
                table = self._tables[name]
            table.checkout_latest()  # type: ignore[no-untyped-call]
        self._require_lease()
        return table

    def writable(self, name: TableName) -> lance.LanceDataset:
        """The table at its newest version, for a change through Lance, whose transaction is made on this version.

        Raises LeaseLostError as `table` does.
        """
        dataset = self.dataset(name)
        self._require_lease()
        return dataset

    def _require_lease(self) -> None:
        """Call it after the table was opened: a later holder of the lease lets no change of this version be made."""
        if self.lease is not None:
            self.lease.require()

    def spaces(self) -> dict[str, VectorSpace]:
        """Spaces of the vector columns of `frames` and `regions`: "vector" first, then those filled later."""
        both = vector_spaces(self.dataset("frames").schema).keys()
        return {name: s for name, s in vector_spaces(self.dataset("regions").schema).items() if name in both}

    def column_of(self, space: VectorSpace) -> str:
        """The column whose vectors can be compared with those of `space`. Raises ModelError where there is none."""
        spaces = self.spaces()
        for name, held in spaces.items():
            if held.comparable(space):
                return name
        from operators.encoders.catalogue import model_of_space

        known = "; ".join(map(str, spaces.values()))
        raise ModelError(
            f"{self.uri} holds vectors of {known}; none can be compared with those of {space}: search with "
            f"--model {model_of_space(self.space)}, or fill a column first: "
            f"regionlake ingest --reembed --model {space.model} --lake {self.uri}"
        )

    def schema(self, name: TableName) -> pa.Schema:
        return schema_of(name, self.space)

    def version(self, name: TableName) -> int:
        """Number of the table's newest version; it grows with every change."""
        with lake_errors(f"reading table {name} of {self.uri}", lake=self.uri):
            return int(self._datasets[name].latest_version)

    def read(self, name: TableName, *, columns: list[str] | None = None, where: str | None = None) -> pa.Table:
        """Rows of a table, with all columns by default.

        A table or column that was added after the lake was created, and that no writer has added yet, is empty or null.
        where: a condition in Lance's SQL.
        """
        if name in ADDED_TABLES and name not in self.names:
            return self.schema(name).empty_table().select(columns or self.schema(name).names)
        with lake_errors(f"reading table {name} of {self.uri}", lake=self.uri):
            dataset = self.dataset(name)
            missing = {field.name for field in missing_columns(dataset.schema, name, self.space)}
            stored = columns if columns is None else [column for column in columns if column not in missing]
            rows = with_added_columns(dataset.to_table(columns=stored, filter=where), name, self.space)
            return rows if columns is None else rows.select(columns)

    def snapshot(self, *, patience_s: float = 5.0) -> dict[TableName, lance.LanceDataset]:
        """Datasets of all tables as they were at one moment, without an unfinished commit.

        It waits for the end of a commit, as long as its writer is alive; after `patience_s` the snapshot contains what
        the commit has written by then.
        """
        deadline = self.time.monotonic_s() + patience_s
        while True:
            with lake_errors(f"reading {self.uri}", lake=self.uri):
                datasets = {name: self.dataset(name) for name in self.names}
                torn = _is_torn(datasets)
                # checked before the versions: otherwise the writer might end its commit and exit in between
                dead = torn and writer_of(self.uri) is None
                # no version changed while the datasets were opened: at one moment all of these were the newest
                still = all(self.version(name) == datasets[name].version for name in datasets)
            if (still and (dead or not torn)) or self.time.monotonic_s() > deadline:
                return datasets
            self.time.sleep(0.05)

    def count(self, name: TableName, *, where: str | None = None) -> int:
        """Number of rows of a table. where: a condition in Lance's SQL."""
        with lake_errors(f"counting table {name} of {self.uri}", lake=self.uri):
            return self.dataset(name).count_rows(where)

    def __repr__(self) -> str:
        return f"Lake({self.uri!r}, {self.space.model}@{self.space.revision})"


def _require_utf8(uri: str) -> None:
    """Raises LakeError where the path of the lake is not UTF-8: LanceDB takes no other."""
    folder = local_folder(uri)
    path = uri if folder is None else str(folder.absolute())
    if printable(path) != path:
        raise LakeError(f"the path {path} of the lake is not UTF-8, which LanceDB needs; give the lake another path")


def _is_torn(datasets: dict[TableName, lance.LanceDataset]) -> bool:
    """Whether a change is unfinished: a segment is `writing`, something is `removing`, repeats are left, or a source of
    which all segments are done is not complete yet."""
    segments = datasets["segments"]
    if segments.count_rows(filter=f"state IN ('writing', 'removing') OR error = '{REPEATS_LEFT}'"):
        return True
    if datasets["sources"].count_rows(filter="state = 'removing'"):
        return True
    sources = datasets["sources"].to_table(columns=["id", "start", "stop"], filter="state = 'open'")
    done = segments.to_table(columns=["source_id", "start", "stop"], filter="state = 'done'")
    spans = spans_by_source(done.filter(pc.is_in(done["source_id"], value_set=sources["id"])))
    ends = {row["id"]: (row["start"], row["stop"]) for row in sources.to_pylist()}
    return any(not Span(*ends[name]).minus(found) for name, found in spans.items() if ends[name][0] is not None)


def _open_datasets(uri: str) -> dict[TableName, lance.LanceDataset]:
    """The tables of a lake that exist."""
    session = lance.Session(  # type: ignore[attr-defined]  # documented, but not in its `__all__`
        index_cache_size_bytes=CACHE_BYTES, metadata_cache_size_bytes=CACHE_BYTES
    )
    found = {name: open_dataset(uri, name, session=session) for name in TABLE_NAMES}
    return {name: dataset for name, dataset in found.items() if dataset is not None}


def _create(uri: str, names: Sequence[TableName], space: VectorSpace) -> None:
    if names:
        database = connect(uri, cache_bytes=CACHE_BYTES)
        for name in names:
            # exist_ok: two processes may create a lake at once
            database.create_table(name, schema=schema_of(name, space), exist_ok=True)
