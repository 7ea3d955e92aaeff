"""Whether the regions of a plan get binary codes, and from which model."""

from dataclasses import dataclass, field
from pathlib import Path

from operators.runtime.settings import weights
from schemas import require


def _model_fingerprint(name: str) -> str:
    from operators.codes.model import CodeModel  # imports encoders, and most plans have no codes

    return CodeModel.load(Path(name)).fingerprint


@dataclass(frozen=True, slots=True)
class CodesConfig:
    """Settings of the binary codes of regions.

    model: a file written by `regionlake lab train codes`; with "", regions get no codes.
    regions_per_frame: largest number of coded regions: those with masks first, then the largest (Search Anything,
        section 3.1, indexes 25). Each takes one more pass of the plan's model.
    """

    model: str = field(default="", metadata=weights(_model_fingerprint))
    regions_per_frame: int = 25

    def __post_init__(self) -> None:
        require.at_least(1, regions_per_frame=self.regions_per_frame)

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which codes depend."""
        return ("model", "regions_per_frame") if self.model else ()
