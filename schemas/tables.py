"""The lake's tables: Arrow schemas with a version, and the vector space recorded with each vector column."""

import re
from typing import Literal

import pyarrow as pa

from schemas.errors import LakeError
from schemas.ids import digest
from schemas.vectors import VectorSpace

# major.minor: a minor version adds tables, or columns that may be null; code of an earlier minor version can read it
SCHEMA_VERSION = (4, 2)
TableName = Literal["sources", "segments", "shots", "frames", "regions", "patches", "plans"]
TABLE_NAMES: tuple[TableName, ...] = ("sources", "segments", "shots", "frames", "regions", "patches", "plans")
# beside these, written without the writer's lease and made when they are first needed; 0.2.0 knows pins alone
SIDE_TABLES = ("pins", "labels", "words")
ADDED_TABLES: frozenset[TableName] = frozenset({"plans"})  # added after 4.0: an older lake may lack them
# added after 4.1, each nullable: until a writer adds them, an older lake lacks them, and they read as null
ADDED_COLUMNS = frozenset({"checksum", "lease", "until"})

_VERSION_KEY = b"regionlake.schema_version"
_SPACE_KEY = b"regionlake.vector_space"
CODE_MODEL_KEY = "regionlake.code_model"
CODE_BYTES = 32
_TIME = pa.timestamp("us", tz="UTC")

# The position of a row in its source: `frames`, `regions` and `patches` share these five columns.
_PLACE = [
    pa.field("source_id", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("pts", pa.int64(), nullable=False),
    pa.field("pts_s", pa.float64(), nullable=False),
    pa.field("time", _TIME),
]

# Over the columns that are written once: pipeline/lake/checksums.py. Null in rows of RegionLake 0.2.0 and older.
_CHECKSUM = pa.field("checksum", pa.string())
# The number of the lease under which a writer wrote the row (a fencing token); null: written without one.
_LEASE = pa.field("lease", pa.int64())

# COCO's RLE: {"size": [height_px, width_px], "counts": …} is what pycocotools takes.
_MASK = pa.struct(
    [
        pa.field("size", pa.list_(pa.int32(), 2), nullable=False),
        pa.field("counts", pa.binary(), nullable=False),
    ]
)


def _vector(name: str, space: VectorSpace, *, nullable: bool = False) -> pa.Field:
    metadata = {_SPACE_KEY: space.to_json().encode()}
    return pa.field(name, pa.list_(pa.float16(), space.dimension), nullable=nullable, metadata=metadata)


def _vectors(name: str, space: VectorSpace, *, nullable: bool = False) -> pa.Field:
    """A column of lists of vectors, of any number in each row."""
    one = _vector(name, space, nullable=nullable)
    return pa.field(name, pa.list_(one.type), nullable=nullable, metadata=one.metadata)


def further_vector(space: VectorSpace) -> pa.Field:
    """The column of `frames` and `regions` that another model fills later; null in rows that it has not encoded yet.

    Its name is derived from what makes two vectors comparable, so that an interrupted run finds it again.
    """
    slug = re.sub("[^a-z0-9]+", "_", space.model.rstrip("/").rpartition("/")[2].lower()).strip("_")[:40]
    mark = digest("vectors", space.revision, str(space.dimension), space.preprocessing)[:8]
    return _vector(f"vector_{slug}_{mark}", space, nullable=True)


def sources_schema() -> pa.Schema:
    """One row per source: what the probe found, or why it was quarantined."""
    return _versioned(
        [
            pa.field("id", pa.string(), nullable=False),  # hash of its bytes, or of its URI where it could not be read
            pa.field("source", pa.string(), nullable=False),
            pa.field("kind", pa.string()),
            pa.field("plan", pa.string(), nullable=False),
            pa.field("state", pa.string(), nullable=False),  # open, complete, quarantined, removing
            pa.field("error", pa.string()),
            pa.field("time_base_num", pa.int64()),
            pa.field("time_base_den", pa.int64()),
            pa.field("start_time", _TIME),
            pa.field("start", pa.int64()),
            pa.field("stop", pa.int64()),
            pa.field("width_px", pa.int32()),
            pa.field("height_px", pa.int32()),
            pa.field("frame_rate", pa.float64()),
            pa.field("codec", pa.string()),
            _CHECKSUM,
            _LEASE,
        ]
    )


def segments_schema() -> pa.Schema:
    """The ledger: one row per segment and plan; `writing` marks a commit that has not ended."""
    event = pa.struct(
        [
            pa.field("pts", pa.int64(), nullable=False),
            pa.field("previous_pts", pa.int64(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
        ]
    )
    return _versioned(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source_id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("plan", pa.string(), nullable=False),
            pa.field("start", pa.int64(), nullable=False),
            pa.field("stop", pa.int64(), nullable=False),
            # writing, done, failed, quarantined, removing, removed
            pa.field("state", pa.string(), nullable=False),
            pa.field("error", pa.string()),
            pa.field("frames_decoded", pa.int64(), nullable=False),
            pa.field("near_duplicates", pa.int64(), nullable=False),
            pa.field("shed", pa.int64(), nullable=False),  # keyframes of a feed dropped because the models were busy
            pa.field("lost", pa.int64(), nullable=False),  # frames of a feed lost because of `error`
            pa.field("keyframes", pa.int64(), nullable=False),
            pa.field("regions", pa.int64(), nullable=False),
            pa.field("first_pts", pa.int64()),
            pa.field("last_pts", pa.int64()),
            pa.field("cut_events", pa.list_(event), nullable=False),
            pa.field("committed_at", _TIME, nullable=False),
            _CHECKSUM,
            _LEASE,
        ]
    )


def shots_schema() -> pa.Schema:
    """One row per shot, written when every segment of its source is done."""
    return _versioned(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source_id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("start", pa.int64(), nullable=False),
            pa.field("stop", pa.int64(), nullable=False),
            pa.field("start_s", pa.float64(), nullable=False),
            pa.field("stop_s", pa.float64(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            _CHECKSUM,
            _LEASE,
        ]
    )


def frames_schema(space: VectorSpace) -> pa.Schema:
    """One row per keyframe."""
    return _versioned(
        [
            pa.field("id", pa.string(), nullable=False),
            *_PLACE,
            pa.field("width_px", pa.int32(), nullable=False),
            pa.field("height_px", pa.int32(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("thumbnail", pa.binary(), nullable=False),  # JPEG
            _vector("vector", space),
            # the fused vector, in the same space, and the revision of the model that fused it; null: not in the plan
            _vector("detail", space, nullable=True),
            pa.field("detail_model", pa.string()),
            # representatives: their vectors, the boxes and the counts of their patches; null: not in the plan
            _vectors("parts", space, nullable=True),
            pa.field("part_boxes", pa.list_(pa.list_(pa.float32(), 4))),
            pa.field("part_counts", pa.list_(pa.int32())),
            _LEASE,
        ]
    )


def regions_schema(space: VectorSpace) -> pa.Schema:
    """One row per region."""
    return _versioned(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("frame", pa.string(), nullable=False),
            *_PLACE,
            *(pa.field(c, pa.float32(), nullable=False) for c in ("x0", "y0", "x1", "y1", "area")),
            pa.field("proposer", pa.string(), nullable=False),
            pa.field("score", pa.float32(), nullable=False),
            pa.field("label", pa.string()),  # class name or phrase, where the proposer gives one
            pa.field("mask", _MASK),
            pa.field("mask_area", pa.float32()),  # share of the frame
            pa.field("stability", pa.float32()),
            pa.field("track", pa.string()),  # id of the region with which its track begins
            _vector("vector", space),
            # 256 bits of the code model named by the field's metadata
            pa.field("code", pa.list_(pa.uint8(), CODE_BYTES)),
            pa.field("until", pa.int64()),  # PTS up to which the region is valid, exclusive; null: not known
            _LEASE,
        ]
    )


def patches_schema(space: VectorSpace) -> pa.Schema:
    """One row per keyframe: its dense grid of patch vectors, row by row, in the space of `vector`."""
    return _versioned(
        [
            pa.field("frame", pa.string(), nullable=False),
            *_PLACE,
            pa.field("rows", pa.int32(), nullable=False),
            pa.field("cols", pa.int32(), nullable=False),
            pa.field("extent", pa.list_(pa.float32(), 4), nullable=False),
            _vectors("vectors", space),
            _LEASE,
        ]
    )


def plans_schema() -> pa.Schema:
    """One row per plan that made rows of the lake, written before the first of those rows."""
    return _versioned(
        [
            pa.field("id", pa.string(), nullable=False),  # its hash, as in `plan` of `sources` and `segments`
            # JSON of the settings that rows depend on; the hash is computed from it
            pa.field("settings", pa.string(), nullable=False),
            pa.field("toml", pa.string(), nullable=False),  # the plan's file
            pa.field("version", pa.string(), nullable=False),  # of the RegionLake that wrote the row
            pa.field("written_at", _TIME, nullable=False),
            _CHECKSUM,
        ]
    )


def schema_of(table: TableName, space: VectorSpace) -> pa.Schema:
    """The schema with which `table` is created in a lake whose vectors are of `space`."""
    match table:
        case "sources":
            return sources_schema()
        case "segments":
            return segments_schema()
        case "shots":
            return shots_schema()
        case "frames":
            return frames_schema(space)
        case "regions":
            return regions_schema(space)
        case "patches":
            return patches_schema(space)
        case "plans":
            return plans_schema()


def missing_columns(schema: pa.Schema, table: TableName, space: VectorSpace) -> list[pa.Field]:
    """The columns that were added to `table` after a lake with this schema was made, in order."""
    return [f for f in schema_of(table, space) if f.name in ADDED_COLUMNS and f.name not in schema.names]


def with_added_columns(rows: pa.Table, table: TableName, space: VectorSpace) -> pa.Table:
    """Rows of an older minor version in the schema of today: the columns that were added since are null.

    Rows with other differences are returned with these.
    """
    missing = missing_columns(rows.schema, table, space)
    for field in missing:
        rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.replace_schema_metadata(schema_of(table, space).metadata) if missing else rows


def version_metadata() -> dict[str, str]:
    """What a schema of this version has in its metadata."""
    return {_VERSION_KEY.decode(): "{}.{}".format(*SCHEMA_VERSION)}


def is_current(schema: pa.Schema) -> bool:
    """Whether a table has the version of this code."""
    return (schema.metadata or {}).get(_VERSION_KEY) == version_metadata()[_VERSION_KEY.decode()].encode()


def vector_space(schema: pa.Schema, column: str = "vector") -> VectorSpace:
    """The vector space recorded for a column. Raises LakeError where there is none, or the record is damaged."""
    metadata = schema.field(column).metadata or {}
    if _SPACE_KEY not in metadata:
        raise LakeError(f"column {column!r} records no vector space; it was not written by RegionLake")
    try:
        return VectorSpace.from_json(metadata[_SPACE_KEY])
    except (TypeError, ValueError) as error:
        raise LakeError(f"the vector space recorded for column {column!r} is damaged: {error}") from error


def vector_spaces(schema: pa.Schema) -> dict[str, VectorSpace]:
    """The space of every vector column, by column name: the lake's own first, then those that were filled later."""
    return {f.name: vector_space(schema, f.name) for f in schema if _SPACE_KEY in (f.metadata or {})}


def code_model_fingerprint(schema: pa.Schema) -> str | None:
    """The fingerprint of the code model that made the codes of `regions`; None where there are none."""
    found = (schema.field("code").metadata or {}).get(CODE_MODEL_KEY.encode())
    return None if found is None else str(found.decode())


def require_version(schema: pa.Schema, *, lake: str, writing: bool = False) -> None:
    """Raises LakeError unless this code can read tables of `schema`, or write them.

    It reads every minor version of its major version, and writes none that is newer than its own.
    """
    found = (schema.metadata or {}).get(_VERSION_KEY, b"none").decode()
    major, _, minor = found.partition(".")
    known = f"{SCHEMA_VERSION[0]}.{SCHEMA_VERSION[1]}"
    if major != str(SCHEMA_VERSION[0]):
        raise LakeError(
            f"{lake} has schema version {found}, this RegionLake reads {known}; "
            "open it with the release that wrote it, or ingest again into another lake"
        )
    if writing and int(minor or 0) > SCHEMA_VERSION[1]:
        raise LakeError(
            f"{lake} has schema version {found}, this RegionLake writes {known}: it can search the lake, but "
            "would omit newer columns and tables; write it with the release that made it"
        )


def _versioned(fields: list[pa.Field]) -> pa.Schema:
    return pa.schema(fields, metadata=version_metadata())
