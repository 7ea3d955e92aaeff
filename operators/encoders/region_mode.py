"""The ways in which a box of a frame becomes a vector."""

from typing import Literal

RegionMode = Literal["both", "crop", "pool"]
RegionModeSetting = Literal["both", "crop", "pool", "auto"]  # "auto": as suits the model
