"""The numbers of leases in rows, as readers compare them: a row counts only under the lease of its segment."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NO_LEASE = -1  # rows and segments that were written before 4.2


def leases_of(rows: pa.Table) -> NDArray[np.int64]:
    """int64 (N,): the lease of each row; NO_LEASE where it is null, or where the lake has no such column yet."""
    if "lease" not in rows.schema.names:
        return np.full(rows.num_rows, NO_LEASE, np.int64)
    return np.asarray(pc.fill_null(rows["lease"], NO_LEASE).to_numpy(), np.int64)


def has_several(rows: pa.Table) -> bool:
    """Whether rows of one source have different leases, so that some may be of a stale writer."""
    if "lease" not in rows.schema.names or not rows.num_rows:
        return False
    pairs = rows.select(["source_id", "lease"]).group_by(["source_id", "lease"]).aggregate([])
    return bool(pairs.num_rows > pc.count_distinct(rows["source_id"]).as_py())
