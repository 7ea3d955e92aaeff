"""What one commit of a follower adds to the lake, and its file format while the lake is out of reach."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.ingest.arrow_rows import SegmentRows
from pipeline.live.account.losses import Ending, Lost, RecordingEnded
from pipeline.live.commits.stored_json import (
    VERSION,
    ended_from_json,
    ended_to_json,
    lost_from_json,
    lost_to_json,
    plan_from_json,
    plan_to_json,
    report_from_json,
    report_to_json,
    require_version,
    segment_from_json,
    segment_to_json,
)
from pipeline.plan.stored_plan import StoredPlan
from schemas.errors import LakeError
from schemas.sources import Segment, Source


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a lake does not accept a batch, and since when (UTC)."""

    at: datetime
    reason: str


_TABLES = ("frames", "regions", "patches")
_JSON = "batch.json"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit adds, in this order: rows, losses, and recordings that ended.

    plan: under which they were recorded; None where it is that of the writer.
    """

    rows: tuple[SegmentRows, ...] = ()
    lost: tuple[Lost, ...] = ()
    ended: tuple[RecordingEnded, ...] = ()
    plan: StoredPlan | None = None

    @staticmethod
    def of(endings: Sequence[Ending]) -> "Batch":
        """A batch of losses and ends alone."""
        lost = tuple(each for each in endings if isinstance(each, Lost))
        return Batch(lost=lost, ended=tuple(each for each in endings if isinstance(each, RecordingEnded)))

    def __bool__(self) -> bool:
        return bool(self.rows or self.lost or self.ended)

    @property
    def nbytes(self) -> int:
        return sum(rows.nbytes for rows in self.rows)

    @property
    def parts(self) -> list["Batch"]:
        """The batch as batches of one segment, loss or end each, in their order."""
        return [
            *(Batch(rows=(each,), plan=self.plan) for each in self.rows),
            *(Batch(lost=(each,), plan=self.plan) for each in self.lost),
            *(Batch(ended=(each,), plan=self.plan) for each in self.ended),
        ]

    @staticmethod
    def joined(parts: Sequence["Batch"]) -> "Batch":
        """A batch of all these parts of one batch."""
        return Batch(
            rows=tuple(each for part in parts for each in part.rows),
            lost=tuple(each for part in parts for each in part.lost),
            ended=tuple(each for part in parts for each in part.ended),
            plan=next((part.plan for part in parts), None),
        )

    @property
    def source_ids(self) -> set[str]:
        own = {each.source.id for each, _ in self.segments}
        return own | {each.source.id for each in self.ended}

    @property
    def segments(self) -> list[tuple[Segment, int]]:
        """Every segment of the batch, with the number of frames that it accounts for."""
        done = [(rows.segment, rows.report.frames_decoded) for rows in self.rows]
        return done + [(lost.segment, lost.frames) for lost in self.lost]


def write_batch(path: Path, batch: Batch, *, refusal: Refusal | None = None) -> None:
    """Writes a zip: `batch.json`, and the tables of each segment as Arrow IPC streams, `0.frames.arrow` and so on.

    refusal: why the lake does not accept it. Raises OSError where it cannot be written.
    """
    described = {
        "version": VERSION,
        "plan": None if batch.plan is None else plan_to_json(batch.plan),
        "refusal": None if refusal is None else {"at": refusal.at.isoformat(), "reason": refusal.reason},
        "rows": [
            {
                "segment": segment_to_json(rows.segment),
                "plan": rows.plan,
                "report": report_to_json(rows.report),
                "tables": [name for name in _TABLES if getattr(rows, name) is not None],
            }
            for rows in batch.rows
        ],
        "lost": [lost_to_json(lost) for lost in batch.lost],
        "ended": [ended_to_json(ended) for ended in batch.ended],
    }
    # not compressed: vectors and JPEGs do not shrink. The checksum of every member reveals damage
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_JSON, json.dumps(described))
        for number, rows in enumerate(batch.rows):
            for name in _TABLES:
                table: pa.Table | None = getattr(rows, name)
                if table is not None:
                    with (
                        archive.open(_member(number, name), "w", force_zip64=True) as member,
                        pa.ipc.new_stream(member, table.schema) as stream,
                    ):
                        stream.write_table(table)


def read_batch(path: Path) -> Batch:
    """Reads a batch. Raises LakeError where the file is damaged, or another release wrote it; OSError where it cannot
    be read."""
    stored = path.read_bytes()
    try:
        with zipfile.ZipFile(BytesIO(stored)) as archive:
            described = json.loads(archive.read(_JSON))
            require_version(described)
            return Batch(
                rows=tuple(
                    SegmentRows(
                        segment=segment_from_json(rows["segment"]),
                        plan=rows["plan"],
                        report=report_from_json(rows["report"]),
                        frames=_table(archive, number, "frames"),
                        regions=_table(archive, number, "regions"),
                        patches=_table(archive, number, "patches") if "patches" in rows["tables"] else None,
                    )
                    for number, rows in enumerate(described["rows"])
                ),
                lost=tuple(lost_from_json(lost) for lost in described["lost"]),
                ended=tuple(ended_from_json(ended) for ended in described["ended"]),
                plan=_plan(described),
            )
    except MemoryError:
        raise
    except Exception as error:  # the file was read: whatever zipfile, JSON and Arrow raise means damage
        raise LakeError(f"{path} is damaged, or of another release: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file of a batch says of it. segments: those with rows and those that are lost, each with the number of
    frames that it accounts for. ended: recordings that ended. plan: hash of its plan, "" where the file has none."""

    segments: tuple[tuple[Segment, int], ...]
    ended: tuple[Source, ...]
    plan: str
    refusal: Refusal | None


def read_contents(path: Path) -> Contents:
    """Describes the batch in a file without reading its tables. Raises as `read_batch` does."""
    try:
        with zipfile.ZipFile(path) as archive:
            described = json.loads(archive.read(_JSON))
        require_version(described)
        rows = [(segment_from_json(each["segment"]), each["report"]["frames_decoded"]) for each in described["rows"]]
        lost = [lost_from_json(each) for each in described["lost"]]
        plan, refusal = _plan(described), described.get("refusal")
        return Contents(
            segments=(*rows, *((each.segment, each.frames) for each in lost)),
            ended=tuple(ended_from_json(each).source for each in described["ended"]),
            plan="" if plan is None else plan.hash,
            refusal=refusal and Refusal(datetime.fromisoformat(refusal["at"]), refusal["reason"]),
        )
    except OSError:
        raise
    except Exception as error:
        raise LakeError(f"{path} is damaged, or of another release: {type(error).__name__}: {error}") from error


def _plan(described: dict[str, Any]) -> StoredPlan | None:
    stored = described.get("plan")  # 0.2.0 wrote none
    return None if stored is None else plan_from_json(stored)


def _table(archive: zipfile.ZipFile, number: int, name: str) -> pa.Table:
    with pa.ipc.open_stream(archive.read(_member(number, name))) as stream:  # read whole: only this checks the checksum
        table = stream.read_all()
    table.validate(full=True)
    return table


def _member(number: int, name: str) -> str:
    return f"{number}.{name}.arrow"
