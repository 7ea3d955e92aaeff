"""Predicts where the regions of tracks are, by a velocity that fades with the time since they were last seen."""

import numpy as np
from numpy.typing import NDArray

from schemas.boxes import FloatArray

StateArray = NDArray[np.float64]

_LEAST_SIDE = 1e-4  # of the frame's side, so that the logarithm of a box without area is finite


def state_of(xyxy: FloatArray) -> StateArray:
    """float32 (N, 4) boxes → float64 (N, 4): centre x, centre y, log width, log height."""
    x = np.asarray(xyxy, np.float64)
    side = np.maximum(x[:, 2:] - x[:, :2], _LEAST_SIDE)
    return np.concatenate([(x[:, :2] + x[:, 2:]) / 2, np.log(side)], axis=1)


def boxes_of(state: StateArray) -> StateArray:
    """The inverse of `state_of`: float64 (N, 4), `(x0, y0, x1, y1)`. A prediction may lie outside the frame."""
    half = np.exp(state[:, 2:]) / 2
    return np.concatenate([state[:, :2] - half, state[:, :2] + half], axis=1)


def predicted(state: StateArray, velocity: StateArray, elapsed_s: NDArray[np.float64], *, fade_s: float) -> StateArray:
    """float64 (N, 4): the predicted states after `elapsed_s`.

    A speed falls to 1/e within each `fade_s`, because a person who walked ten seconds ago has most likely stopped or
    turned since. A prediction therefore never moves further than `velocity * fade_s`.
    """
    travelled_s = fade_s * -np.expm1(-elapsed_s / fade_s)
    moved: StateArray = state + velocity * travelled_s[:, None]
    return moved


def corrected_velocity(
    velocity: StateArray, moved: StateArray, elapsed_s: NDArray[np.float64], *, settle_s: float
) -> StateArray:
    """float64 (N, 4): the velocities, corrected by states that were seen to have `moved` within `elapsed_s`.

    The weight of the observed movement grows with the elapsed time: within a twenty-fifth of a second it is mostly
    jitter of the box, within `settle_s` or more it is mostly motion.
    """
    share = -np.expm1(-elapsed_s / settle_s)[:, None]
    corrected: StateArray = velocity + share * (moved / elapsed_s[:, None] - velocity)
    return corrected
