"""Where the regions of tracks are by now: constant velocity that fades with the time since they were seen."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray

StateArray = NDArray[np.float64]

_LEAST_SIDE = 1e-4  # of the frame: a box without area has a logarithm of its size, too


def state_of(xyxy: FloatArray) -> StateArray:
    """float32 (N, 4) boxes → float64 (N, 4): centre x, centre y, log width, log height."""
    x = np.asarray(xyxy, np.float64)
    side = np.maximum(x[:, 2:] - x[:, :2], _LEAST_SIDE)
    return np.concatenate([(x[:, :2] + x[:, 2:]) / 2, np.log(side)], axis=1)


def boxes_of(state: StateArray) -> StateArray:
    """The inverse: float64 (N, 4), `(x0, y0, x1, y1)`; a prediction may lie beyond the frame."""
    half = np.exp(state[:, 2:]) / 2
    return np.concatenate([state[:, :2] - half, state[:, :2] + half], axis=1)


def predicted(state: StateArray, velocity: StateArray, elapsed_s: NDArray[np.float64], *, fade_s: float) -> StateArray:
    """float64 (N, 4): states `elapsed_s` later.

    A speed fades by 1/e every `fade_s`: what walked ten seconds ago has most likely stopped or turned since, and never
    goes further than `velocity * fade_s`.
    """
    travelled_s = fade_s * -np.expm1(-elapsed_s / fade_s)
    moved: StateArray = state + velocity * travelled_s[:, None]
    return moved


def corrected_velocity(
    velocity: StateArray, moved: StateArray, elapsed_s: NDArray[np.float64], *, settle_s: float
) -> StateArray:
    """float64 (N, 4): velocities after states were seen to have `moved` within `elapsed_s`.

    The share of what was seen that is believed grows with the time it took: within a twenty-fifth of a second it is
    mostly the jitter of the box, in `settle_s` and more it is mostly motion.
    """
    share = -np.expm1(-elapsed_s / settle_s)[:, None]
    believed: StateArray = velocity + share * (moved / elapsed_s[:, None] - velocity)
    return believed
