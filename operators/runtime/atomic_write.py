"""Writes files atomically: a file is complete or absent, even if writers are killed or several write at once."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path with the name of `path`; at the end of the block it is renamed to `path`.

    Parent folders are created. The temporary path is in a hidden folder next to `path`, as a rename is atomic only
    within one file system; a kill may leave that folder behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as scratch:
        made = Path(scratch) / path.name
        yield made
        made.replace(path)
