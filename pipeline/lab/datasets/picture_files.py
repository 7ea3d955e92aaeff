"""Finds the picture files that annotations name, and checks their size."""

from collections.abc import Sequence
from pathlib import Path

from operators.readers.picture import picture_header
from schemas.errors import SourceError


def named_picture(name: str, folders: Sequence[Path], *, place: str) -> Path:
    """The absolute path of the picture `name` in the first of `folders` that holds it.

    place: the place of the entry that names it. Raises SourceError, with this place, if no folder holds the picture.
    """
    for folder in folders:
        if (path := folder / name).is_file():
            return path.absolute()
    raise SourceError(f"{place} names {name}, which is in none of {', '.join(map(str, folders))}")


def shown_size(path: Path, *, said: tuple[int, int] | None = None, place: str = "") -> tuple[int, int]:
    """(width, height) in pixels of a picture as it is shown, that is with its EXIF orientation applied.

    said: the size in the entry at `place`. Raises SourceError if the two differ, as boxes would then be misplaced, and
    for a file that is not a picture.
    """
    header = picture_header(str(path))
    if header is None:
        raise SourceError(f"{path} is not a picture that can be read")
    _, width_px, height_px = header
    if said is not None and said != (width_px, height_px):
        raise SourceError(f"{place}: says {said[0]}x{said[1]} px, {path} is shown with {width_px}x{height_px} px")
    return width_px, height_px
