"""A trained fusion and its file: weights as safetensors, with vector space, windows and sizes in the header."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from operators.detailclip.config import file_revision
from operators.detailclip.cover import CoverConfig, Covered
from operators.detailclip.fusion import Fusion, FusionShape
from operators.runtime.atomic_write import atomic_write
from operators.runtime.torch_threads import one_torch_thread
from schemas.errors import ModelError
from schemas.vectors import VectorArray, VectorSpace

_FORMAT = "regionlake-detail-2"


@dataclass(frozen=True, slots=True, eq=False)
class DetailModel:
    """A trained fusion.

    space: space of the input and output vectors: a fusion works only with the encoder it was trained for.
    cover: the windows with which it was trained. revision: twelve hexadecimal digits of a hash of the file.
    """

    fusion: Fusion
    space: VectorSpace
    cover: CoverConfig
    revision: str

    def __call__(self, pictures: Sequence[Covered]) -> VectorArray:
        """float32 (N, D), L2-normalised: the fused vectors. A vector depends on its own picture alone."""
        import torch

        fused = np.empty((len(pictures), self.space.dimension), np.float32)
        with one_torch_thread(), torch.inference_mode():
            # one by one: sums in larger batches differ in the last bits, and a picture takes only some milliseconds
            for row, picture in zip(fused, pictures, strict=True):
                windows, whole = torch.from_numpy(picture.windows)[None], torch.from_numpy(picture.whole)[None]
                row[:] = self.fusion(windows, whole)[0].numpy()
        return fused

    def require_space(self, space: VectorSpace) -> None:
        """Raises ModelError unless the fusion was trained with vectors of `space`."""
        if not self.space.comparable(space):
            raise ModelError(
                f"the detail model was trained with vectors of {self.space}, not of {space}: train another with this "
                "model (regionlake lab train detail --model …), or use the model it belongs to"
            )


def save_detail_model(path: Path, fusion: Fusion, *, space: VectorSpace, cover: CoverConfig) -> str:
    """Writes the file atomically and returns its revision. The same weights give the same bytes."""
    from safetensors.torch import save

    about = {"space": json.loads(space.to_json()), "cover": asdict(cover), "shape": asdict(fusion.shape)}
    metadata = {_FORMAT: json.dumps(about, sort_keys=True)}  # a single key, as safetensors writes several in any order
    data = save({name: tensor.contiguous() for name, tensor in fusion.state_dict().items()}, metadata=metadata)
    with atomic_write(path) as made:
        made.write_bytes(data)
    return file_revision(path)


def load_detail_model(path: Path) -> DetailModel:
    """Loads a detail model. Raises ModelError if the file does not exist or is not a detail model."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load

    try:
        data = path.read_bytes()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        if _FORMAT not in metadata:
            raise ModelError(f"{path} is not a detail model; make one with regionlake lab train detail")
        about = json.loads(metadata[_FORMAT])
        fusion = Fusion(FusionShape(**about["shape"]))
        fusion.load_state_dict(load(data))
        revision = file_revision(path)
        return DetailModel(fusion.eval(), VectorSpace(**about["space"]), CoverConfig(**about["cover"]), revision)
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{path} is not a detail model; make one with regionlake lab train detail: {error}") from error
