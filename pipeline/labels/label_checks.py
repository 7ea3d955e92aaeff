"""The audit of labels: whether each can be read, and how many are of regions that the lake does not have any more."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.labels.label_table import HumanLabel, Labels
from pipeline.lake.audit.audited_lake import AuditedLake
from schemas.errors import LakeError
from schemas.tables import TableName

LABELLED: tuple[TableName, ...] = ("regions", "frames")  # a query may find a whole frame, too


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """What the audit of labels found.

    stored: number of labels. gone: of those whose region was removed, or replaced by those of another plan. problems: a
    sentence each, for labels that are damaged.
    """

    stored: int = 0
    gone: int = 0
    problems: tuple[str, ...] = ()


def count_labels(audited: AuditedLake, labels: Labels) -> LabelCounts:
    """Reads the labels, and looks for their regions in a snapshot of the lake."""
    try:
        read = labels.read()
    except LakeError as error:
        return LabelCounts(problems=(str(error),))
    return LabelCounts(len(read), len(labels_of_nothing(read, [audited.tables[name]["id"] for name in LABELLED])))


def labels_of_nothing(labels: Sequence[HumanLabel], ids: Sequence[pa.ChunkedArray]) -> list[HumanLabel]:
    """The labels whose region or frame is gone. ids: of the rows of LABELLED."""
    if not labels:
        return []
    wanted = pa.array([each.region for each in labels], pa.string())
    held = [pc.is_in(wanted, value_set=column.combine_chunks()).to_pylist() for column in ids]
    return [each for each, *there in zip(labels, *held, strict=True) if not any(there)]
