"""A code model, which can be saved and loaded: a projection to 256 bits, and the settings of its features."""

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
    """A projection to 256 bits for the features of one encoder.

    method: how its bits were chosen; it is called "way" in the file. space: vector space of the encoder.
    features: how x is computed from the encoder's output.
    """

    projection: Projection
    method: CodeMethod
    space: VectorSpace
    features: RegionFeaturesConfig

    def __post_init__(self) -> None:
        require.one_of(get_args(CodeMethod), method=self.method)

    def __call__(self, features: VectorArray) -> CodeArray:
        """x of each region, float32 (N, D) → uint8 (N, 32): the bits of `sign(tanh(W x + b))`."""
        return self.projection(features)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the hash of its file: models with equal fingerprints give equal codes."""
        return digest(self.to_bytes())[:12]

    def save(self, path: Path) -> None:
        """Writes a safetensors file with weight and bias, and the rest as metadata."""
        with atomic_write(path) as made:
            made.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "CodeModel":
        """Loads a code model. Raises ModelError if the file does not exist or is not a code model."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{path} is not a code model: {error}; make one with: regionlake lab train codes --lake L --out {path}"
            ) from error
        return cls.from_bytes(data, name=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, *, name: str) -> "CodeModel":
        """Reads a code model from the content of its file.

        name: the file's name, for the error. Raises ModelError if the content is not a code model.
        """
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
                f"{name} is not a code model: {error}; make one with: regionlake lab train codes --lake L --out FILE"
            ) from error

    def require_space(self, space: VectorSpace) -> None:
        """Raises ModelError unless this model was made for features of `space`."""
        if not self.space.comparable(space):
            raise ModelError(
                f"the code model was trained for features of {self.space}, not of {space}: train codes of this model "
                "(regionlake lab train codes), or use the model it belongs to"
            )

    def to_bytes(self) -> bytes:
        """The content of its file."""
        from safetensors.numpy import save

        settings = {"way": self.method, "space": asdict(self.space), "features": asdict(self.features)}
        arrays = {"weight": self.projection.weight, "bias": self.projection.bias}
        # a single entry, because safetensors writes several in an order that differs from run to run
        return save(arrays, metadata={_FORMAT: json.dumps(settings, sort_keys=True)})
