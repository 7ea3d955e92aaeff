"""Notes beside the lake which feeds are followed: upkeep keeps the newest recording of all but the removed ones."""

from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.lake.upkeep.upkeep_folder import UpkeepFolder
from pipeline.live.feeds.feed_list import FeedEntry
from schemas.file_names import path_of_uri


class NotedFeeds:
    """Writes the note whenever it changes.

    file: of the feeds; None without one. named: feeds that are followed without being in it.
    """

    def __init__(self, folder: UpkeepFolder, file: Path | None, named: Collection[str]) -> None:
        self._folder = folder
        self._file = file
        self._named = frozenset(named)
        self._written = folder.followed()

    def note(self, entries: Mapping[str, FeedEntry]) -> str | None:
        """Notes all feeds, by name; returns why that is not possible now, and None where it is noted."""
        folders = {_path(entry): name for name, entry in entries.items() if entry.is_folder}
        changed = self._written.with_folders(folders)
        if self._file is not None:
            in_file = entries.keys() - self._named
            changed = changed.with_file(str(self._file.absolute()), in_file, others=self._named)
        if changed != self._written:
            try:
                self._folder.write_followed(changed)
            except OSError as error:  # a full disk must not end a follower
                return f"the list of followed feeds cannot be written to {self._folder.path}: {error.strerror or error}"
            self._written = changed
        return None


def _path(entry: FeedEntry) -> str:
    """The absolute path of a followed folder, with which the sources in it begin."""
    return str(Path(path_of_uri(entry.url)).expanduser().absolute())
