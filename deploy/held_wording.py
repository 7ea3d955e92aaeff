"""Texts for what upkeep holds back, with the command that releases it."""

import shlex

from pipeline.lake.upkeep.holds import Held, held_text
from schemas.visible_text import visible


def held_note(held: Held) -> str:
    """A line that fits a terminal: `upkeep holds back 3 of 4 recordings of gate (share); see: regionlake status`."""
    count = f"{held.recordings:,} of {held.of_recordings:,} recordings of {held.feed}"
    return visible(f"upkeep holds back {count} ({held.reason}); see: regionlake status")


def held_line(held: Held, *, ahead_s: float | None, lake: str = "LAKE") -> str:
    """`upkeep: … they stay; to remove them: regionlake upkeep --lake LAKE --release gate`."""
    command = f"regionlake upkeep --lake {shlex.quote(lake)}"
    line = f"upkeep: {held_text(held, ahead_s=ahead_s)}; to remove them: {command} --release {shlex.quote(held.feed)}"
    if held.reason != "share":
        line += f"; if the clock is right: {command} --trust-clock"
    return visible(line)
