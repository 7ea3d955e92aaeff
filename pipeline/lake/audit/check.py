"""The audit of a lake: whether every row exists once, and every table agrees with the ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.labels.label_checks import LabelCounts, count_labels
from pipeline.labels.label_table import Labels
from pipeline.lake.audit import checksum_checks, ledger_checks, row_checks
from pipeline.lake.audit.audited_lake import AuditedLake, Problem
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.reductions import missing_reductions
from schemas.tables import TableName

_SHOWN = 10  # problems of one kind that are listed: a lost source must not print a line for each of its rows
_CHECKS: tuple[Callable[[AuditedLake], Iterator[Problem]], ...] = (
    row_checks.duplicates,
    ledger_checks.shared_places,
    ledger_checks.unknown_sources,
    ledger_checks.known_states,
    ledger_checks.ledger_states,
    ledger_checks.plans,
    ledger_checks.overlaps,
    ledger_checks.coverage,
    row_checks.rows_outside_done_spans,
    row_checks.stale_leases,
    row_checks.counts,
    row_checks.lost_frames,
    row_checks.boxes,
    ledger_checks.shots,
    row_checks.tracks,
    row_checks.vectors,
    checksum_checks.segments,
    checksum_checks.own_rows,
)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Results of an audit.

    rows: number of rows of each table. problems: one sentence each; empty for a sound lake.
    source_ids: the sources that have problems. unsummed: number of segments of older releases, without a checksum.
    labels: of people; those of regions that are gone are no problem.
    """

    rows: dict[TableName, int]
    problems: tuple[str, ...]
    source_ids: frozenset[str]
    unsummed: int = 0
    labels: LabelCounts = field(default_factory=LabelCounts)

    @property
    def ok(self) -> bool:
        return not self.problems


def check(lake: Lake) -> CheckReport:
    """Audits a lake. Every problem names the table, the id or source, what was found, and how to repair it."""
    audited = AuditedLake(lake)
    problems: list[str] = []
    source_ids: set[str] = set()
    for find in _CHECKS:
        with lake_errors(f"reading the lake {lake.uri}", lake=lake.uri):
            found = list(find(audited))
        source_ids |= {source_id for source_id, _ in found if source_id}
        problems += [sentence for _, sentence in found[:_SHOWN]]
        if len(found) > _SHOWN:
            problems.append(f"… and {len(found) - _SHOWN} more like the last")
    problems += missing_reductions(lake)
    labels = count_labels(audited, Labels(lake))
    problems += labels.problems
    rows = {name: table.num_rows for name, table in audited.tables.items()}
    return CheckReport(rows, tuple(problems), frozenset(source_ids), checksum_checks.unsummed(audited), labels)
