"""Whether the frames of a plan get a fused vector, and from which model."""

from dataclasses import dataclass, field
from pathlib import Path

from operators.runtime.settings import weights
from schemas.errors import ModelError
from schemas.ids import digest


def file_revision(path: Path | str) -> str:
    """Twelve hexadecimal digits that change with the weights. Raises ModelError if there is no such file."""
    try:
        return digest(Path(path).read_bytes())[:12]
    except OSError as error:
        raise ModelError(f"{path} is not a detail model; make one with regionlake lab train detail: {error}") from error


@dataclass(frozen=True, slots=True)
class DetailConfig:
    """Settings of fused vectors.

    model: a file written by `regionlake lab train detail`, which includes its windows; with "", there are none.
    """

    model: str = field(default="", metadata=weights(file_revision))

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which fused vectors depend."""
        return ("model",) if self.model else ()
