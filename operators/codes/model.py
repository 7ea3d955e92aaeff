"""A code model: a projection to 256 bits, with what its features are made by; a file that is saved and loaded."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from operators.codes.features import RegionFeaturesConfig
from operators.codes.hamming import CodeArray
from operators.codes.projection import Projection
from operators.runtime.atomic_write import atomic_write
from schemas import require
from schemas.errors import ModelError
from schemas.ids import digest
from schemas.vectors import VectorArray, VectorSpace

CodeMethod = Literal["random", "itq", "learnt"]
_FORMAT = "regionlake.codes.1"


@dataclass(frozen=True, slots=True, eq=False)
class CodeModel:
    """method: how its bits were chosen, "way" in its file. space: of the encoder whose features it takes.
    features: how x is made of them."""

    projection: Projection
    method: CodeMethod
    space: VectorSpace
    features: RegionFeaturesConfig

    def __post_init__(self) -> None:
        require.one_of(get_args(CodeMethod), method=self.method)

    def __call__(self, features: VectorArray) -> CodeArray:
        """features: float32 (N, D), x of each region. Returns uint8 (N, 32): the bits of `sign(tanh(W x + b))`."""
        return self.projection(features)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the hash of its file: equal codes come from equal fingerprints."""
        return digest(self.to_bytes())[:12]

    def save(self, path: Path) -> None:
        """Writes a safetensors file: weight and bias, and the rest as metadata."""
        with atomic_write(path) as made:
            made.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "CodeModel":
        """Raises ModelError where the file is absent or is no code model."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{path} is no code model: {error}; make one with: regionlake lab train codes --lake L --out {path}"
            ) from error
        return cls.from_bytes(data, name=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str) -> "CodeModel":
        """The content of a file, wherever it lies; `name` is for the error. Raises ModelError."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(data)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            settings = json.loads(header["__metadata__"][_FORMAT])
            return cls(
                Projection(arrays["weight"], arrays["bias"]),
                settings["way"],
                VectorSpace(**settings["space"]),
                RegionFeaturesConfig(**settings["features"]),
            )
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{name} is no code model: {error}; make one with: regionlake lab train codes --lake L --out FILE"
            ) from error

    def require_space(self, space: VectorSpace) -> None:
        """Raises ModelError unless features of `space` are what this model was made for."""
        if not self.space.comparable(space):
            raise ModelError(
                f"these codes are made of features of {self.space}; here is {space}: train codes of this model "
                "(regionlake lab train codes), or use the other"
            )

    def to_bytes(self) -> bytes:
        """The content of its file."""
        from safetensors.numpy import save

        settings = {"way": self.method, "space": asdict(self.space), "features": asdict(self.features)}
        arrays = {"weight": self.projection.weight, "bias": self.projection.bias}
        # one entry: of several, safetensors writes them in an order that differs from run to run
        return save(arrays, metadata={_FORMAT: json.dumps(settings, sort_keys=True)})
