"""Batches that the lake does not accept: kept beside the spool until somebody tries them again or drops them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from operators.runtime.atomic_write import atomic_write
from operators.runtime.file_sync import make_folder
from pipeline.live.commits.batch import Batch, Contents, Refusal, read_contents, write_batch
from schemas.errors import InvalidValueError, LakeError

SUFFIX = ".zip"
_UNREADABLE = ".unreadable"


@dataclass(frozen=True, slots=True)
class RefusedBatch:
    """name: its number in the spool. contents: None where its file is damaged, and `reason` says how."""

    name: str
    file: Path
    at: datetime
    reason: str
    bytes: int
    contents: Contents | None


class RefusedBatches:
    """The folder of refused batches, which a follower and a command may use at the same time.

    A batch keeps the number that it had in the spool, so that one that is tried again is committed before later ones.
    """

    def __init__(self, folder: Path, *, spool: Path) -> None:
        self.folder = folder
        self._spool = spool

    def __len__(self) -> int:
        return len(self._files())

    def keep(self, name: str, batch: Batch, refusal: Refusal) -> Path:
        """Adds a batch. Raises OSError where it cannot be written."""
        self._make()
        file = self.folder / f"{name}{SUFFIX}"
        with atomic_write(file) as path:
            write_batch(path, batch, refusal=refusal)
        return file

    def keep_unreadable(self, file: Path) -> Path:
        """Moves a file of the spool here that cannot be read."""
        self._make()
        return file.replace(self.folder / f"{file.stem}{_UNREADABLE}")

    def read(self) -> Iterator[RefusedBatch]:
        """The refused batches in the order of the spool."""
        for file in self._files():
            try:
                about = file.stat()
                contents = read_contents(file)
            except FileNotFoundError:  # tried again or dropped meanwhile
                continue
            except (LakeError, OSError) as error:
                written = datetime.fromtimestamp(about.st_mtime, UTC)
                yield RefusedBatch(file.stem, file, written, str(error), about.st_size, None)
            else:
                refusal = contents.refusal or Refusal(datetime.fromtimestamp(about.st_mtime, UTC), "not known")
                yield RefusedBatch(file.stem, file, refusal.at, refusal.reason, about.st_size, contents)

    def named(self, names: list[str]) -> list[RefusedBatch]:
        """The batches with these names, whose leading zeros may be omitted; all for no names.

        Raises InvalidValueError for a name that no batch has.
        """
        found = {each.name: each for each in self.read()}
        wanted = [name.zfill(12) for name in names] or list(found)
        for name in wanted:
            if name not in found:
                known = ", ".join(each.lstrip("0") or "0" for each in found) or "none"
                raise InvalidValueError(f"no refused batch is called {name.lstrip('0') or '0'}; there are {known}")
        return [found[name] for name in wanted]

    def try_again(self, batch: RefusedBatch) -> None:
        """Moves a batch back to the spool, from which the follower commits it, or the next one."""
        batch.file.replace(self._spool / f"{batch.name}{SUFFIX}")

    def drop(self, batch: RefusedBatch) -> None:
        """Deletes a batch for ever."""
        batch.file.unlink(missing_ok=True)

    def changed(self) -> int:
        """A number that differs after the folder was changed."""
        try:
            return self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def numbers(self) -> Iterator[int]:
        return (int(file.stem) for file in self._files())

    def _make(self) -> None:
        make_folder(self.folder, mode=0o700)

    def _files(self) -> list[Path]:
        return sorted(file for kind in (SUFFIX, _UNREADABLE) for file in self.folder.glob(f"*{kind}"))
