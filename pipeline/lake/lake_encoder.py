"""The model by which a lake is searched: shortened by the lake's own reduction, where its vectors were."""

from collections.abc import Sequence

from operators.encoders.catalogue import load_encoder, model_card, model_of_space
from operators.encoders.encoder import Encoder
from operators.encoders.reduced_encoder import shortened
from operators.encoders.reduction import is_reduced
from pipeline.lake.lake import Lake
from schemas.errors import ModelError
from schemas.vectors import VectorSpace


def load_lake_encoder(
    lake: Lake,
    *,
    model: str | None = None,
    dimensions: int | None = None,
    threads: int | None = None,
    templates: Sequence[str] | None = None,
) -> Encoder:
    """A loaded model whose vectors can be compared with a column of the lake.

    model: the model whose vectors are searched; None for the lake's own. dimensions: the length of the vectors, where
    the lake has the model's vectors in several; None for those of the first such column, `vector` before the others.
    threads, templates: see `load_encoder`.
    Raises ModelError where the model cannot be loaded or the lake has no such vectors, LakeError where the lake lacks
    the reduction by which they were shortened.
    """
    # a model that the lake names must be registered: opening a lake must not run code that the lake chose
    encoder = load_encoder(
        model or model_of_space(lake.space), threads=threads, templates=templates, class_paths=model is not None
    )
    try:
        return for_lake(encoder, lake, model=model, dimensions=dimensions)
    except BaseException:
        encoder.close()
        raise


def for_lake(encoder: Encoder, lake: Lake, *, model: str | None = None, dimensions: int | None = None) -> Encoder:
    """A loaded model, shortened as the lake's vectors of it are. The arguments are those of `load_lake_encoder`."""
    full = encoder.space
    space = _searched(lake, full, dimensions)
    if space is None or space.comparable(full):
        return encoder
    from pipeline.lake.reductions import lake_reduction  # its storage is not for every search

    card = model_card(model or model_of_space(lake.space), class_paths=model is not None)
    return shortened(encoder, lake_reduction(lake, space, card))


def _searched(lake: Lake, full: VectorSpace, dimensions: int | None) -> VectorSpace | None:
    """The space of the column to search; None where the lake has no vectors of the model."""
    of_model = [space for space in lake.spaces().values() if space.comparable(full) or is_reduced(space, full)]
    found = [space for space in of_model if dimensions in (None, space.dimension)]
    if dimensions is not None and not found:
        has = ", ".join(str(space.dimension) for space in of_model) or "none"
        raise ModelError(
            f"{lake.uri} has no vectors of {full.model} with {dimensions} dimensions, but with {has}; add them with: "
            f"regionlake ingest --reembed --model {full.model} --set regions.dimensions={dimensions} --lake {lake.uri}"
        )
    return found[0] if found else None
