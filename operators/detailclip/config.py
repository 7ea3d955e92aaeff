"""Whether frames get a fused vector, as a plan says it."""

from dataclasses import dataclass, field
from pathlib import Path

from operators.runtime.settings import weights
from schemas.errors import ModelError
from schemas.ids import digest


def file_revision(path: Path | str) -> str:
    """Twelve hexadecimal digits that change with the weights. Raises ModelError where there is no such file."""
    try:
        return digest(Path(path).read_bytes())[:12]
    except OSError as error:
        raise ModelError(f"{path} is no detail model; make one with regionlake lab train detail: {error}") from error


@dataclass(frozen=True, slots=True)
class DetailConfig:
    """model: a file written by `regionlake lab train detail`, with its windows; "" for no fused vectors."""

    model: str = field(default="", metadata=weights(file_revision))

    def fields_in_use(self) -> tuple[str, ...]:
        """Names of the fields on which fused vectors depend."""
        return ("model",) if self.model else ()
