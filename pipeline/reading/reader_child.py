"""The child process of pipeline/reading/reader_process.py: it opens files, and confined forks of it decode them.

    parent ── requests ──→ child ── request, descriptor ──→ confined reader
       ↑                     └──── request ──→ fetcher, for remote files
       └───────────────── answers ─────────────────────────────┘

Neither the parent nor the child reads a byte of a file. The readers have no file but the one whose descriptor they are
sent, no network and no other process; their answers go to the parent directly.
"""

import gc
import os
import sys
import warnings
from contextlib import suppress
from dataclasses import fields
from multiprocessing.connection import Connection
from pathlib import Path, PurePath

from operators.readers.media_file import MediaFile
from operators.readers.picture import PICTURE_SUFFIXES
from operators.runtime.settings import opens_files
from operators.sandbox.confinement import Confinement, confine
from pipeline.reading.addresses import is_remote
from pipeline.reading.child import child_connection
from pipeline.reading.confined_reader import answer
from pipeline.reading.download_cache import local_file
from pipeline.reading.forked_worker import ForkedWorker, WorkerEnded, end_as
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_requests import Alive, FramesRequest, ReadRequest, Request, location_of, refusal
from schemas.errors import RegionLakeError, SandboxError
from schemas.file_names import path_of_uri


def main() -> None:
    """Runs the child."""
    connection, config = child_connection()
    serve(connection, config)


def serve(connection: Connection, config: ReadConfig) -> None:
    """Answers requests until the parent closes its end; each answer ends with None or with an error."""
    readers = _Readers(connection, config)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        readers.answer(request)


class _Readers:
    """Forks of this process: one that decodes and is used again, one that fetches, and one for each whole video.

    This process itself decodes and fetches nothing, so that it has no further threads when it forks.
    """

    def __init__(self, connection: Connection, config: ReadConfig) -> None:
        self._connection = connection
        self._config = config
        self._reader: ForkedWorker[Request] | None = None
        self._fetcher: ForkedWorker[Request] | None = None
        self._prepared = False

    def answer(self, request: Request) -> None:
        self._prepare(request)
        try:
            descriptor = self._opened(request)
            if descriptor is None:
                return  # the reason was sent
            try:
                self._decode(request, descriptor)
            finally:
                os.close(descriptor)
        except WorkerEnded as ended:
            end_as(ended.status)  # the parent learns of it as of a child that died

    def _decode(self, request: Request, descriptor: int) -> None:
        name = PurePath(location_of(request).uri)
        if isinstance(request, FramesRequest) and name.suffix.lower() not in PICTURE_SUFFIXES:
            # decord opens the file by its path, which the reader that is used again may not
            reader = self._forked(readable=(descriptor,))
            reader(request, descriptor)
            reader.close()
            return
        if self._reader is None:
            self._reader = self._forked()
        self._reader(request, descriptor, cpu_s=self._config.limits.cpu_s)

    def _forked(self, readable: tuple[int, ...] = ()) -> "ForkedWorker[Request]":
        config, connection = self._config, self._connection

        def prepare() -> None:
            warnings.simplefilter("ignore")  # of Pillow, about files that are damaged and readable
            limits = config.limits
            missing = confine(
                Confinement(
                    readable=(*readable, *_files_of_settings(config)),
                    memory_bytes=int(limits.memory_gib * 2**30),
                )
            )
            if missing and limits.sandbox == "require":
                raise SandboxError(f"this kernel cannot confine {'; '.join(missing)}")

        def work(request: Request, descriptor: int | None) -> None:
            assert descriptor is not None
            answer(request, descriptor, config, connection)

        gc.collect()
        gc.freeze()  # a collection in the fork would copy every page
        return ForkedWorker(prepare, work)

    def _prepare(self, request: Request) -> None:
        """Imports what the shot detector needs (torch takes two seconds) before the reader is forked, once."""
        if self._prepared or not isinstance(request, ReadRequest) or request.work.segment.source.kind != "video":
            return
        self._prepared = True
        known = len(sys.modules)
        with suppress(Exception):  # raised again where the segment is read, and reported
            self._config.shots.build(request.work.segment.source, first_of_source=True)
        if len(sys.modules) > known and self._reader is not None:
            self._reader.close()
            self._reader = None

    def _opened(self, request: Request) -> int | None:
        """A descriptor of the request's file; None where it cannot be opened, and the answer was sent."""
        if not is_remote(location_of(request).address):
            return _open(request, self._connection)
        if self._fetcher is None:
            connection = self._connection
            self._fetcher = ForkedWorker(lambda: None, lambda request, _: _open(request, connection))
        return self._fetcher(request)


def _open(request: Request, connection: Connection) -> int | None:
    """A descriptor of the request's file, which was fetched if it is remote; None where the answer was sent."""
    location = location_of(request)
    try:
        with local_file(location, on_progress=lambda: connection.send(Alive())) as path:
            name = location.uri if is_remote(location.address) else path_of_uri(location.address)
            with MediaFile.open(str(path), name=name) as file:
                return os.dup(file.descriptor)
    except RegionLakeError as error:
        failed = refusal(request, error)
        connection.send(failed)
        if failed is not error:
            connection.send(None)
        return None


def _files_of_settings(config: ReadConfig) -> tuple[str, ...]:
    """The files and folders that the settings of the shot detector name."""
    detector = config.shots.chosen
    named = [getattr(detector, each.name) for each in fields(detector) if opens_files(each)]
    return tuple(str(Path(name).expanduser()) for name in named if isinstance(name, str) and name)
