"""Reads files in a child process (reader_child.py), so that a decoder that hangs or crashes fails one segment only."""

import logging
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from types import TracebackType

from operators.readers.limits import ReadLimits
from operators.sandbox.confinement import unsupported
from pipeline.ingest.packets import FramePacket, Work
from pipeline.reading.child import Child
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_requests import (
    ClipBytes,
    CopyRequest,
    FramesPacket,
    FramesRequest,
    ProbeRequest,
    ReadRequest,
    Request,
    SpanRequest,
    TimedFrames,
    failure_packet,
)
from pipeline.reading.sources import Location
from schemas.clock import Span
from schemas.errors import DecodeError, ReadTimeoutError, RegionLakeError, SandboxError, SourceError, WorkerDiedError
from schemas.frames import ImageArray
from schemas.sources import Source

_log = logging.getLogger(__name__)
CHILD_CODE = "from pipeline.reading.reader_child import main; main()"
STARTS_PER_REQUEST = 3  # one crash may be due to the machine (memory); three in a row are due to the file


class ReaderProcess:
    """A child that probes and reads files; restarted when it dies or makes no progress for `timeout_s`.

    Use it from one thread at a time, except for `stop`, and close it (or use it in a `with`).
    """

    def __init__(self, config: ReadConfig, *, timeout_s: float) -> None:
        self._config = config
        self._timeout_s = timeout_s
        self._child: Child | None = None
        self._starting = threading.Lock()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Process id of the child, None before the first request."""
        return self._child.pid if self._child else None

    def probe(self, location: Location) -> Source:
        """The source in a file. Raises SourceError, also where the child hangs or always dies on the file."""
        error = ""
        for start in range(STARTS_PER_REQUEST):
            try:
                answer = list(self._ask(ProbeRequest(location)))  # read whole: a half-read answer kills the child
            except ReadTimeoutError as timeout:
                error = str(timeout)
                break
            except WorkerDiedError as death:
                error = f"{death}, {start + 1} times"
            else:
                [source] = [message for message in answer if isinstance(message, Source)]
                return source
        raise SourceError(f"{location.uri}: {error}")

    def read(self, work: Work) -> Iterator[FramePacket]:
        """Packets of one segment; the last has its report or its failure. Bad input raises no error."""
        number = frames = 0
        error = ""
        for start in range(STARTS_PER_REQUEST):
            try:
                for message in self._ask(ReadRequest(work)):
                    if isinstance(message, FramePacket):
                        number, frames = message.head.number + 1, message.head.frames_decoded
                        yield message
            except ReadTimeoutError as timeout:
                error = str(timeout)
                break
            except WorkerDiedError as death:
                if self._stopped:
                    return
                error = f"{death}, {start + 1} times"  # a new child begins again; equal numbers replace each other
            else:
                return
        yield failure_packet(work, number=number, frames_decoded=frames, error=error)

    def frames(self, location: Location, source_id: str, pts: Sequence[int]) -> Iterator[tuple[ImageArray, ...]]:
        """The frames of a source at these PTS, in that order, a few at a time: uint8 (H, W, 3) RGB each.

        Raises SourceError where the file is missing or has changed, DecodeError where a frame cannot be decoded, or
        the child hangs or dies: frames that were already yielded cannot be read a second time.
        """
        try:
            for message in self._ask(FramesRequest(location, source_id, tuple(pts))):
                if isinstance(message, FramesPacket):
                    yield message.images
        except (ReadTimeoutError, WorkerDiedError) as error:
            raise DecodeError(f"{location.uri}: {error}") from error

    def span(
        self, location: Location, source: Source, span: Span, *, max_side_px: int | None = None
    ) -> Iterator[tuple[int, ImageArray]]:
        """PTS and picture, uint8 (H, W, 3) RGB, of every frame of a source in the span.

        source: what a probe of the file returned. max_side_px: scales down frames with a longer side; None keeps their
        size. Raises SourceError where the file is missing, DecodeError where a
        frame cannot be decoded, or the child hangs or dies.
        """
        try:
            for message in self._ask(SpanRequest(location, source, span, max_side_px)):
                if isinstance(message, TimedFrames):
                    yield from zip(message.pts, message.images, strict=True)
        except (ReadTimeoutError, WorkerDiedError) as error:
            raise DecodeError(f"{location.uri}: {error}") from error

    def copy(self, location: Location, span: Span) -> Iterator[bytes]:
        """The bytes of an MP4 file with the frames of a video in the span, not encoded again (see `copied_clip`).

        Raises SourceError where the file is missing, DecodeError where it has no frame of the span, or the child hangs
        or dies.
        """
        try:
            for message in self._ask(CopyRequest(location, span)):
                if isinstance(message, ClipBytes):
                    yield message.content
        except (ReadTimeoutError, WorkerDiedError) as error:
            raise DecodeError(f"{location.uri}: {error}") from error

    def stop(self) -> None:
        """Stops reading, from any thread: the current segment ends where it is, and no other is read."""
        with self._starting:
            self._stopped = True
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """Kills the child."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def __enter__(self) -> "ReaderProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _ask(self, request: Request) -> Iterator[object]:
        """The child's messages until its answer ends. Raises the child's error, ReadTimeoutError or WorkerDiedError."""
        complete = False
        try:
            child = self._started()
            connection = child.connection
            connection.send(request)
            while True:
                if not connection.poll(self._timeout_s):
                    raise ReadTimeoutError(f"no progress for {self._timeout_s:g} s; the decoder was killed")
                message = child.receive()
                if message is None:
                    complete = True
                    return
                if isinstance(message, RegionLakeError):
                    complete = True
                    raise message
                yield message
        except RegionLakeError:
            raise  # some of them are OSErrors too
        except (EOFError, OSError) as error:  # OSError: the child died within a message
            reason = "never started" if self._child is None else self._child.exit_reason()
            if reason == "SIGXCPU":
                most_s = self._config.limits.cpu_s
                raise ReadTimeoutError(
                    f"decoding takes more than {most_s:g} s of CPU time, which read.limits.cpu_s allows; it was killed"
                ) from error
            raise WorkerDiedError(f"the reader process died ({reason})") from error
        finally:
            if not complete:
                self.close()  # the rest of this answer must not be read as the next one

    def _started(self) -> Child:
        if self._child is None:
            require_sandbox(self._config.limits)
            with self._starting:
                if self._stopped:
                    raise WorkerDiedError("the reader was stopped")
                self._child = Child(CHILD_CODE)
            self._child.connection.send(self._config)
        return self._child


def require_sandbox(limits: ReadLimits) -> None:
    """Logs what this kernel cannot confine, once for each process. Raises SandboxError where a setting requires it."""
    if (missing := logged_unsupported()) and limits.sandbox == "require":
        raise SandboxError(
            f"read.limits.sandbox is require, and this kernel cannot confine {'; '.join(missing)}: use another "
            'machine, or read.limits.sandbox="auto"'
        )


@cache
def logged_unsupported() -> tuple[str, ...]:
    """What this kernel cannot confine, see `unsupported`; the first call in a process logs it."""
    missing = unsupported()
    if missing:
        _log.warning("decoders of foreign files are not confined completely: this kernel lacks %s", "; ".join(missing))
    return missing
