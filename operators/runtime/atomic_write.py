"""Writes files atomically: a file is complete or absent, even if writers are killed, several write at once, or the
power fails."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operators.runtime.file_sync import make_folder, sync_files, sync_folder


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path with the name of `path`; at the end of the block it is renamed to `path`.

    The contents are synced before the renaming, and the folder after it: when the block has ended, the file is durable.
    Parent folders are created. The temporary path is in a hidden folder next to `path`, as a rename is atomic only
    within one file system; a kill may leave that folder behind.
    """
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as scratch:
        made = Path(scratch) / path.name
        yield made
        sync_files([made])
        made.replace(path)
        sync_folder(path.parent)
