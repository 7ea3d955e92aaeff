"""Refuses the changes that an earlier holder has under way, when a lease changes hands without a release."""

import lance

from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.lease.writer_lease import WriterLease
from schemas.tables import TableName

# the ledger first: then every row that still arrives elsewhere belongs to a commit or a removal that the ledger has as
# unfinished, which the recovery after the fence undoes or finishes
_FIRST: tuple[TableName, ...] = ("segments", "sources")


def fence(lake: Lake, lease: WriterLease) -> None:
    """Makes all changes fail that were begun before this call, in each table; readers see no difference.

    Lance lets no change of any kind be committed on a version older than a restoration, so each table is restored to
    its newest version. A change that begins later opens the table after that, and its holder looks at its lease in
    between (`Lake.table`). Raises LakeError if the storage fails; it may be repeated.
    """
    for name in (*_FIRST, *(name for name in lake.names if name not in _FIRST)):
        with lake_errors(f"fencing {name} of {lake.uri}", lake=lake.uri):
            fence_table(lake.dataset(name), unfinished=lease.fencing_before)
    lease.fenced()


def fence_table(dataset: lance.LanceDataset, *, unfinished: bool = False) -> None:
    """Restores a table to its newest version. unfinished: an earlier call may have been killed at any moment."""
    newest = int(dataset.latest_version)
    wanted = _taken_away(dataset, newest) if unfinished else newest
    while True:
        restored = dataset.checkout_version(wanted)
        restored.restore()  # type: ignore[no-untyped-call]
        made = int(restored.version)
        wanted = _taken_away(restored, made)
        if wanted == made:
            return


def _taken_away(dataset: lance.LanceDataset, newest: int) -> int:
    """The version whose contents a restoration at `newest` took away, because it was committed just before it; else
    `newest`."""
    restoration = _restored_at(dataset, newest)
    if restoration is None:
        return newest
    between = range(newest - 1, restoration, -1)
    return next((version for version in between if _restored_at(dataset, version) is None), newest)


def _restored_at(dataset: lance.LanceDataset, version: int) -> int | None:
    """The version to which the change that made `version` restored the table; None for any other change."""
    change = dataset.read_transaction(version)
    operation = None if change is None else change.operation
    return int(operation.version) if isinstance(operation, lance.LanceOperation.Restore) else None
