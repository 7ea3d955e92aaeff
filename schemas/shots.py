"""Shots, and the per-frame events from which they are computed."""

from dataclasses import dataclass
from typing import Literal

from schemas.clock import Span

CutKind = Literal["cut", "fade"]
EventKind = Literal["cut", "fade_out", "fade_in"]


@dataclass(frozen=True, slots=True, order=True)
class CutEvent:
    """A frame at which a detector fired, before any rule on shot length.

    Events depend on a few neighbouring frames only, so they can be found segment by segment; the
    cuts of a source are folded from all its events (operators/shots/cuts.py).

    previous_pts: PTS of the frame shown just before `pts`.
    """

    pts: int
    previous_pts: int
    kind: EventKind


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames between two cuts, `[start, stop)`; `kind` says how it began."""

    span: Span
    kind: Literal["start", "cut", "fade"]
