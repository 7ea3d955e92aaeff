"""Whether the regions of a plan get codes, and of which model."""

from dataclasses import dataclass

from schemas import require


@dataclass(frozen=True, slots=True)
class CodesConfig:
    """model: a file of `regionlake lab train codes`; none: regions get no codes.

    regions_per_frame: how many get one: those with masks first, the largest of them first (Search Anything, section
        3.1, indexes 25). Each takes one more pass of the plan's model.
    """

    model: str = ""
    regions_per_frame: int = 25

    def __post_init__(self) -> None:
        require.at_least(1, regions_per_frame=self.regions_per_frame)
