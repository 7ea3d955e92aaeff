"""The state of tracking between keyframes: the tracks that may still continue."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.tracking.config import TrackConfig
from operators.tracking.motion import StateArray, corrected_velocity, predicted
from schemas.vectors import VectorArray, normalise


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The N regions of a frame that are tracked, in the order of their ids.

    state: float64 (N, 4), as in motion.py. vectors: float32 (N, D). label: "" for a region without a label.
    """

    ids: list[str]
    state: StateArray
    vectors: VectorArray
    proposer: NDArray[np.str_]
    label: NDArray[np.str_]
    score: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LiveTracks:
    """The T tracks that may continue.

    last: id of the last region of each track. seen_s: the time of that region. missed: number of keyframes since then.
    regions: number of regions of each track.
    """

    ids: list[str]
    last: list[str]
    state: StateArray
    velocity: StateArray
    vectors: VectorArray
    proposer: NDArray[np.str_]
    label: NDArray[np.str_]
    score: NDArray[np.float64]
    seen_s: NDArray[np.float64]
    missed: NDArray[np.int64]
    regions: NDArray[np.int64]

    @classmethod
    def none(cls) -> "LiveTracks":
        nothing, names = np.zeros((0, 4)), np.zeros(0, np.str_)
        count = np.zeros(0, np.int64)
        return cls(
            [], [], nothing, nothing, np.zeros((0, 0), np.float32), names, names, np.zeros(0), np.zeros(0), count, count
        )

    def advanced(
        self, pairs: list[tuple[int, int]], begun: list[int], seen: Seen, *, now_s: float, config: TrackConfig
    ) -> "LiveTracks":
        """The tracks after a frame: those with a region in the frame, those asleep, and those that begin with it.

        pairs: (track, region), indices into these tracks and into `seen`. begun: regions of `seen` that begin a track.
        """
        old, new = (np.array([pair[k] for pair in pairs], np.intp) for k in (0, 1))
        missed = self.missed + 1
        missed[old] = 0
        few = np.where(self.regions > 1, missed <= config.sleep_keyframes, missed <= config.new_sleep_keyframes)
        soon = (now_s - self.seen_s <= config.sleep_s) & (self.regions > 1)
        asleep = np.flatnonzero((missed > 0) & (few | soon))
        elapsed_s = now_s - self.seen_s[old]
        expected = predicted(self.state[old], self.velocity[old], elapsed_s, fade_s=config.fade_s)
        gain = np.array([1.0, 1.0, config.size_gain, config.size_gain])
        state = expected + gain * (seen.state[new] - expected)
        velocity = corrected_velocity(self.velocity[old], state - self.state[old], elapsed_s, settle_s=config.settle_s)
        if len(old):
            vectors = normalise(config.memory * self.vectors[old] + (1 - config.memory) * seen.vectors[new])
        else:
            vectors = seen.vectors[new]
        label = np.where(seen.label[new] != "", seen.label[new], self.label[old])
        parts = (
            LiveTracks(
                [self.ids[i] for i in old],
                [seen.ids[i] for i in new],
                state,
                velocity,
                vectors.astype(np.float32),
                seen.proposer[new],
                label,
                config.memory * self.score[old] + (1 - config.memory) * seen.score[new],
                np.full(len(old), now_s),
                missed[old],
                self.regions[old] + 1,
            ),
            LiveTracks(
                [self.ids[i] for i in asleep],
                [self.last[i] for i in asleep],
                self.state[asleep],
                self.velocity[asleep],
                self.vectors[asleep],
                self.proposer[asleep],
                self.label[asleep],
                self.score[asleep],
                self.seen_s[asleep],
                missed[asleep],
                self.regions[asleep],
            ),
            LiveTracks(
                [seen.ids[i] for i in begun],
                [seen.ids[i] for i in begun],
                seen.state[begun],
                np.zeros((len(begun), 4)),
                seen.vectors[begun],
                seen.proposer[begun],
                seen.label[begun],
                seen.score[begun],
                np.full(len(begun), now_s),
                np.zeros(len(begun), np.int64),
                np.ones(len(begun), np.int64),
            ),
        )
        return _together([part for part in parts if part.ids])


def _together(parts: list[LiveTracks]) -> LiveTracks:
    if not parts:
        return LiveTracks.none()
    return LiveTracks(
        [name for part in parts for name in part.ids],
        [name for part in parts for name in part.last],
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("state", "velocity", "vectors", "proposer", "label", "score", "seen_s", "missed", "regions")
        ),
    )
