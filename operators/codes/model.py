"""A code model: a projection to 256 bits, with what its features are made by; a file that is saved and loaded."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from operators.codes.features import RegionFeaturesConfig
from operators.codes.hamming import CODE_BITS, CodeArray, pack_signs
from operators.codes.projections import Projection
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorArray, VectorSpace

CodeWay = Literal["random", "itq", "learnt"]
_FORMAT = "regionlake.codes.1"


@dataclass(frozen=True, slots=True, eq=False)
class CodeModel:
    """way: how its bits were chosen. space: of the encoder whose features it takes. features: how x is made of them."""

    projection: Projection
    way: CodeWay
    space: VectorSpace
    features: RegionFeaturesConfig

    def __post_init__(self) -> None:
        if self.way not in get_args(CodeWay):
            raise InvalidValueError(f"way must be one of {', '.join(get_args(CodeWay))}, got {self.way!r}")

    def __call__(self, features: VectorArray) -> CodeArray:
        """features: float32 (N, D), x of each region. Returns uint8 (N, 32): the bits of `sign(tanh(W x + b))`."""
        if features.ndim != 2 or features.shape[1] != self.projection.dimension:
            raise InvalidValueError(f"features must be (N, {self.projection.dimension}), got {features.shape}")
        # float64: BLAS picks other kernels for other batch sizes, and a bit must not turn with its company
        values = features.astype(np.float64) @ self.projection.weight.T.astype(np.float64) + self.projection.bias
        return pack_signs(values)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the hash of its file: equal codes come from equal fingerprints."""
        return hashlib.blake2b(self._bytes(), digest_size=6).hexdigest()

    def save(self, path: Path) -> None:
        """Writes a safetensors file: weight and bias, and the rest as metadata."""
        path.write_bytes(self._bytes())

    @classmethod
    def load(cls, path: Path) -> "CodeModel":
        """Raises ModelError where the file is absent or is no code model."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                settings = json.loads((file.metadata() or {})[_FORMAT])
                projection = Projection(file.get_tensor("weight"), file.get_tensor("bias"))
            return cls(
                projection,
                settings["way"],
                VectorSpace(**settings["space"]),
                RegionFeaturesConfig(**settings["features"]),
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path} is no code model: {error}; make one with: regionlake train codes --lake L --out {path}"
            ) from error

    def require_space(self, space: VectorSpace) -> None:
        """Raises ModelError unless features of `space` are what this model was made for."""
        if not self.space.comparable(space):
            raise ModelError(
                f"these codes are made of features of {self.space}; here is {space}: train codes of this model "
                "(regionlake train codes), or use the other"
            )

    def _bytes(self) -> bytes:
        from safetensors.numpy import save

        settings = {"way": self.way, "space": asdict(self.space), "features": asdict(self.features)}
        arrays = {"weight": self.projection.weight, "bias": self.projection.bias}
        return save(arrays, metadata={_FORMAT: json.dumps(settings, sort_keys=True), "bits": str(CODE_BITS)})
