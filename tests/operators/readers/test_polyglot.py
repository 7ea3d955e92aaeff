"""Catches a file that is one thing to PyAV and another to decord, whose older FFmpeg opens what a playlist names."""

import os
import threading
from pathlib import Path

from operators.readers.probe import probe
from operators.readers.random_access import DecordReader
from tests.clips import Clips


class Opened:
    """A pipe in place of a private file; `by_reader` is whether anything has opened it to read."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._path = path
        self._ended = threading.Event()
        self.by_reader = False
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            try:
                os.close(os.open(self._path, os.O_WRONLY | os.O_NONBLOCK))  # succeeds while there is a reader
            except OSError:
                continue
            self.by_reader = True

    def stop(self) -> bool:
        self._ended.set()
        self._thread.join()
        return self.by_reader


def polyglot(clips: Clips, path: Path, *, named: Path) -> Path:
    """A playlist that names a file, followed by a transport stream."""
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{named}\n#EXT-X-ENDLIST\n"
    path.write_bytes(playlist.encode() + clips("transport.ts").read_bytes())
    return path


def test_a_file_that_decord_takes_for_a_playlist_never_reaches_decord(clips: Clips, tmp_path: Path) -> None:
    private = Opened(tmp_path / "private.ts")
    try:
        path = polyglot(clips, tmp_path / "polyglot.ts", named=tmp_path / "private.ts")
        source = probe(str(path), uri="x")
        reader = DecordReader(str(path), source)
        [image] = reader.frames_at([source.span.start])
    finally:
        opened = private.stop()
    assert not opened
    assert (reader.backend, reader.reason) == ("pyav", "PyAV takes it for mpegts")
    assert image.shape == (120, 160, 3)


def test_what_watches_the_private_file_notices_a_reader(tmp_path: Path) -> None:
    private = Opened(tmp_path / "private.ts")
    (tmp_path / "private.ts").read_bytes()
    assert private.stop()
