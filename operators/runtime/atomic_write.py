"""Files that are there whole or not at all, whoever is killed while writing them, and however many write at once."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a place to write to, with the name of `path`; at the end of the block what is there becomes `path`.

    Folders above it are made. The place lies in a hidden folder beside it, for a rename within one file system is one
    step; a kill may leave that folder behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as scratch:
        made = Path(scratch) / path.name
        yield made
        made.replace(path)
