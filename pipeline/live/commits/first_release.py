"""Sets aside the files that release 0.1.0 left in the state folder: pickles, which can run code when they are read."""

import logging
from pathlib import Path

from pipeline.live.status.state_folder import StateFolder

_log = logging.getLogger(__name__)


def set_aside_pickles(state: StateFolder) -> None:
    """Moves the batches and the counts that 0.1.0 left into a folder of their own, and logs what to do with them.

    They are never read, because anybody who can write to a lake could run code in the follower through them.
    """
    aside = state.path / "of-0.1.0"
    batches = sorted(state.spool.glob("*.batch"))
    if batches:
        _move(batches, aside / "spool")
        _log.error(
            "%d batches of rows that release 0.1.0 could not commit are pickles, which this release does not read: "
            "they are kept in %s. To commit them, move them back to %s and follow with 0.1.0 until its status shows "
            "nothing spooled; do that with other lakes before upgrading",
            len(batches),
            aside / "spool",
            state.spool,
            extra={"batches": len(batches)},
        )
    counts = state.path / "in-flight"
    if counts.is_file():
        _move([counts], aside)
        _log.warning(
            "frames that release 0.1.0 had received and not committed are not counted as lost: %s is a pickle, which "
            "this release does not read; stop 0.1.0 with Ctrl-C before upgrading, so that there are none",
            aside / counts.name,
        )


def _move(files: list[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in files:
        file.replace(folder / file.name)
