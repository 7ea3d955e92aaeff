"""Takes damage out of rings: what can be read of a damaged file stays; a file of which nothing can is moved aside."""

from pathlib import Path

from operators.runtime.file_sync import make_folder
from pipeline.ring.boxes import Fragment
from pipeline.ring.feed_ring import FeedRing, PartFile, rings_in
from pipeline.ring.ring_file import is_begun, opened_ring_file, rewrite
from schemas.errors import LakeError, SourceError

_ASIDE = ".damaged"


def repair_rings(rings: Path, *, dry_run: bool = False) -> list[str]:
    """Repairs the files of all rings; returns what was done, or would be, as sentences. Raises LakeError where a file
    cannot be changed."""
    return [line for ring in rings_in(rings) for line in _repair(ring, rings, dry_run)]


def _repair(ring: FeedRing, rings: Path, dry_run: bool) -> list[str]:
    done = []
    for part in ring.parts():
        sound, whole = _readable(part)
        if whole:
            continue
        first = "fragment stays" if len(sound) == 1 else f"{len(sound)} fragments stay"
        kept = f"its first {first}" if sound else f"it is moved to {rings / _ASIDE}"
        done.append(f"video of {ring.feed}: {part.path.name} is damaged, {kept}")
        if dry_run:
            continue
        try:
            with ring.locked():
                if sound:
                    with opened_ring_file(part.path) as file:
                        rewrite(file, sound)
                else:
                    aside = rings / _ASIDE / ring.folder.name
                    make_folder(aside, mode=0o700)
                    part.path.rename(aside / part.path.name)
        except OSError as error:
            raise LakeError(f"{part.path} cannot be repaired: {error}") from error
    return done


def _readable(part: PartFile) -> tuple[list[Fragment], bool]:
    """The fragments up to the first damage, and whether there is none."""
    found: list[Fragment] = []
    try:
        with opened_ring_file(part.path) as file:
            for each in file.fragments():
                if found and each.dts < found[-1].stop_dts:
                    return found, False
                found.append(each)
    except SourceError:
        return found, not part.path.exists() or is_begun(part.path)
    return found, True
