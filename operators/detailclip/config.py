"""Whether frames get a fused vector, as a plan says it."""

from dataclasses import dataclass
from pathlib import Path

from schemas.errors import ModelError
from schemas.ids import digest


@dataclass(frozen=True, slots=True)
class DetailConfig:
    """model: a file written by `regionlake lab train detail`, with its windows; "" for no fused vectors."""

    model: str = ""


def file_revision(path: Path) -> str:
    """Twelve hexadecimal digits that change with the weights. Raises ModelError where there is no such file."""
    try:
        return digest(path.read_bytes())[:12]
    except OSError as error:
        raise ModelError(f"{path} is no detail model; make one with regionlake lab train detail: {error}") from error
