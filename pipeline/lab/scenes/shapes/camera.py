"""A camera that looks down on a floor: projects points of the world to pixels, and pixels to the floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas import require
from schemas.errors import InvalidValueError

FIELD_OF_VIEW_DEG = 32.0  # along the picture's longer side, so that no aspect ratio shows the horizon
DISTANCE = 10.0  # from the origin


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that looks at the origin of the floor z = 0 from −y and above.

    elevation_deg: its angle above the floor, large enough that only floor is visible.
    """

    width_px: int
    height_px: int
    elevation_deg: float

    def __post_init__(self) -> None:
        require.within(f"({FIELD_OF_VIEW_DEG / 2}, 90)", elevation_deg=self.elevation_deg)

    @property
    def place(self) -> NDArray[np.float64]:
        """The position of the camera, float64 (3,)."""
        angle = np.radians(self.elevation_deg)
        return DISTANCE * np.array([0.0, -np.cos(angle), np.sin(angle)])

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Projects points, float64 (…, 3), to x and y in pixels from the upper left corner, float64 (…, 2)."""
        seen = (points - self.place) @ self._axes().T
        return self._centre_px + self._focal_px * seen[..., :2] / seen[..., 2:]

    def on_floor(self, x_px: float, y_px: float) -> NDArray[np.float64]:
        """The point of the floor that is seen at a pixel, float64 (3,)."""
        seen = np.array([*(np.array([x_px, y_px]) - self._centre_px) / self._focal_px, 1.0])
        ray = seen @ self._axes()
        if ray[2] > -1e-3:
            raise InvalidValueError(f"no floor is seen at {x_px:.0f}, {y_px:.0f}")
        floor: NDArray[np.float64] = self.place - self.place[2] / ray[2] * ray
        return floor

    @property
    def _focal_px(self) -> float:
        return max(self.width_px, self.height_px) / 2 / float(np.tan(np.radians(FIELD_OF_VIEW_DEG / 2)))

    @property
    def _centre_px(self) -> NDArray[np.float64]:
        return np.array([self.width_px, self.height_px]) / 2

    def _axes(self) -> NDArray[np.float64]:
        """The directions right, down and forward, float64 (3, 3)."""
        angle = np.radians(self.elevation_deg)
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[1.0, 0.0, 0.0], [0.0, -s, -c], [0.0, c, -s]])
