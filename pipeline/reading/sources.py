"""Finds the files that a user names (by files, folders, globs or URLs), each once."""

import glob
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import fsspec

from operators.readers.picture import PICTURE_SUFFIXES
from pipeline.reading.addresses import is_http, is_remote, public_reason, public_uri
from pipeline.reading.fetch_rule import FetchRule
from schemas.errors import SourceError
from schemas.file_names import path_of_uri, printable, uri_of_path

# A folder is searched for these suffixes; a file that is named directly is opened whatever its suffix.
VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .wmv .flv .3gp .ogv .mxf .h264 .h265 .hevc".split()
)
MEDIA_SUFFIXES = PICTURE_SUFFIXES | VIDEO_SUFFIXES
NO_MEDIA = "contains no video or picture"  # of the failure of an empty folder, by which a follower recognises it


@dataclass(frozen=True, slots=True)
class Location:
    """One file: `address` opens it (and may contain credentials), `uri` is stored and shown (schemas/file_names.py).

    search: id of the call of `find_sources` that found it; a download without a version is reused only within it.
    fetch: whether and how much may be downloaded.
    """

    uri: str
    address: str
    search: str = field(default="", compare=False)
    fetch: FetchRule = field(default_factory=FetchRule, compare=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be used, and why."""

    uri: str
    error: str


def find_sources(names: Sequence[str], *, fetch: FetchRule | None = None) -> Iterator[Location | Failure]:
    """The files that names refer to: files, folders with all subfolders, globs, `http(s)://` and `s3://` URLs.

    Each file is found once. A name without any file becomes a Failure, so that the others are still ingested.
    fetch: the rule of their downloads.
    """
    address_of: dict[str, str] = {}
    search = uuid.uuid4().hex
    for name in names:
        try:
            found = _find_remote(name) if is_remote(name) else _find_local(path_of_uri(name))
            if not found:
                raise SourceError(f"{name}: {NO_MEDIA}; RegionLake looks for {_suffixes()}")
        except Exception as error:  # fsspec's backends raise their own errors (botocore: no credentials)
            yield Failure(public_uri(name), public_reason(error, name))
            continue
        for location in found:
            if isinstance(location, Failure):
                yield location
                continue
            known = address_of.get(location.uri)
            if known is None:
                address_of[location.uri] = location.address
                yield replace(location, search=search, fetch=fetch or FetchRule())
            elif known != location.address:
                yield Failure(
                    location.uri,
                    f"{location.uri}: differs from another input only in credentials (user, password, signature), "
                    "which are not stored, so the lake could not distinguish the two; name it once",
                )


def _find_local(name: str) -> list[Location | Failure]:
    path = Path(name).expanduser()
    failures: list[Failure] = []
    if path.is_dir():
        files = sorted(_media_below(path, failures))
    elif path.exists() or not glob.has_magic(name):
        files = [path]  # a missing file is reported by the probe, with the others
    else:
        files = [p for p in sorted(map(Path, glob.glob(str(path), recursive=True))) if p.is_file()]
        if not files:
            raise SourceError(f"{name}: no file matches")
    absolute = [str(p.absolute()) for p in files]
    return [*failures, *(Location(uri_of_path(p), p) for p in absolute)]


def _media_below(folder: Path, failures: list[Failure]) -> Iterator[Path]:
    """Everything with the suffix of a video or picture; the probe reports what is not a file.

    A link is followed if it stays in the folder. Links that lead out of it (whoever fills the folder may not be allowed
    to read their files), and folders that cannot be listed, are added to `failures`.
    """

    def note(error: OSError) -> None:
        where = str(Path(error.filename).absolute())
        failures.append(Failure(uri_of_path(where), printable(f"{error.filename}: {error.strerror}")))

    def stays(path: Path) -> bool:
        uri = str(path.absolute())
        try:
            if not path.is_symlink() or path.resolve().is_relative_to(root):
                return True
            failures.append(
                Failure(uri, f"{uri} is a link that leads out of {folder}: it is not followed; name its target")
            )
        except (OSError, RuntimeError):  # RuntimeError: Python before 3.13
            failures.append(Failure(uri, f"{uri} is a link to itself"))
        return False

    root = folder.resolve()
    listed: set[Path] = set()
    for where, folders, names in os.walk(folder, onerror=note, followlinks=True):
        here = Path(where)
        if here.resolve() in listed:  # links form a circle
            folders.clear()
            continue
        listed.add(here.resolve())
        folders[:] = [name for name in folders if stays(here / name)]
        yield from (here / n for n in names if Path(n).suffix.lower() in MEDIA_SUFFIXES and stays(here / n))


def _find_remote(name: str) -> list[Location | Failure]:
    if is_http(name):
        return [Location(public_uri(name), name.partition("#")[0])]
    filesystem, path = fsspec.core.url_to_fs(name)
    if glob.has_magic(path) and not filesystem.exists(path):
        paths = sorted(filesystem.glob(path))
        if not paths:
            raise SourceError(f"{public_uri(name)}: no object matches")
    elif filesystem.isdir(path):
        paths = sorted(p for p in filesystem.find(path) if Path(p).suffix.lower() in MEDIA_SUFFIXES)
    else:
        paths = [path]
    addresses = [filesystem.unstrip_protocol(p) for p in paths]
    return [Location(public_uri(a), a) for a in addresses]


def _suffixes() -> str:
    return " ".join(sorted(MEDIA_SUFFIXES))
