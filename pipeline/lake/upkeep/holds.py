"""Holds removals back that a wrong clock or a wrong limit may have caused, until somebody releases them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipeline.lake.upkeep.retention import Recording

HoldReason = Literal["clock ahead", "clock behind", "share"]


@dataclass(frozen=True, slots=True)
class Held:
    """What a pass would have removed of a feed, and did not.

    feed: its name, or "files" for files that are in no followed folder. recordings: how many. bytes: their estimated
    size. of_recordings, of_bytes: all that the lake holds of the feed. reason: `share` if it is more than the set share
    of the feed; `clock …` if the wall clock jumped ahead or back. ids: of these sources; empty where only the counts
    are shown.
    """

    feed: str
    reason: HoldReason
    recordings: int
    bytes: int
    of_recordings: int
    of_bytes: int
    ids: tuple[str, ...] = ()


def held_text(held: Held, *, ahead_s: float | None) -> str:
    """Why it is held, as a sentence. ahead_s: how far the clock jumped ahead (negative: back)."""
    count = f"{held.recordings:,} of {held.of_recordings:,} recordings or files of {held.feed}"
    size = f"{held.bytes / max(1, held.of_bytes):.0%} of its bytes"
    if held.reason == "share":
        return f"{count} ({size}) would be removed, more than a pass may remove without being asked; they stay"
    since = f"the clock jumped {timedelta(seconds=round(abs(ahead_s or 0.0)))} {held.reason.removeprefix('clock ')}"
    return f"{since}, and {count} ({size}) would be removed because of it; they stay"


def hold_back(
    going: Sequence["Recording"],
    recordings: Iterable["Recording"],
    *,
    share: float,
    doubtful: Collection[str] = (),
    clock: Literal["clock ahead", "clock behind"] = "clock ahead",
    released: Collection[str] = (),
) -> "tuple[list[Recording], list[Held]]":
    """Divides recordings that are to go into those to remove now, and those to hold back, by feed.

    recordings: all of the lake. share: above this part of the recordings or of the bytes of a feed, all that is to go
    of it is held. doubtful: ids of those that may be chosen by a wrong clock, which are held always, for the reason
    `clock`. released: ids that somebody released, which go whatever else is true; the share counts the others alone.
    """
    every: defaultdict[str, list[Recording]] = defaultdict(list)
    for recording in recordings:
        if recording.id not in released:
            every[recording.group].append(recording)
    by_feed: defaultdict[str, list[Recording]] = defaultdict(list)
    allowed = [recording for recording in going if recording.id in released]
    for recording in going:
        if recording.id not in released:
            by_feed[recording.group].append(recording)
    held: list[Held] = []
    for feed, found in sorted(by_feed.items()):
        unsure = [recording for recording in found if recording.id in doubtful]
        sure = [recording for recording in found if recording.id not in doubtful]
        if _exceeds(sure, every[feed], share):
            held.append(_held(feed, "share", sure, every[feed]))
        else:
            allowed += sure
        if unsure:
            held.append(_held(feed, clock, unsure, every[feed]))
    order = {recording.id: number for number, recording in enumerate(going)}
    return sorted(allowed, key=lambda recording: order[recording.id]), held


def _exceeds(going: Sequence["Recording"], every: Sequence["Recording"], share: float) -> bool:
    return len(going) > share * len(every) or _bytes(going) > share * _bytes(every)


def _held(feed: str, reason: HoldReason, going: Sequence["Recording"], every: Sequence["Recording"]) -> Held:
    ids = tuple(recording.id for recording in going)
    return Held(feed, reason, len(ids), _bytes(going), len(every), _bytes(every), ids)


def _bytes(recordings: Iterable["Recording"]) -> int:
    return sum(recording.bytes for recording in recordings)
