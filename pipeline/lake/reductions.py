"""The reductions of a lake: files beside its tables, because every query goes through the one that made its vectors."""

import os
from contextlib import suppress
from pathlib import Path

import fsspec

from operators.encoders.card import ModelCard
from operators.encoders.reduction import FIRST, Reduction, reduction_name
from operators.runtime.file_sync import make_folder, sync_files
from pipeline.lake.lake import Lake, lake_errors
from pipeline.lake.local_folder import local_folder
from schemas.errors import LakeError, ModelError
from schemas.vectors import VectorSpace

_PREFIX, _SUFFIX = "reduction-", ".safetensors"


def lake_reduction(lake: Lake, space: VectorSpace, card: ModelCard) -> Reduction | None:
    """What made the vectors of a column of `space` from those of a model; None if they are the model's own.

    Raises LakeError where the lake lacks it.
    """
    name = reduction_name(space)
    if space.comparable(card.space) or name is None:
        return None
    if name == FIRST:
        return Reduction.of_first(card, space.dimension)
    return _loaded(lake.uri, name).first(space.dimension)


def missing_reductions(lake: Lake) -> list[str]:
    """What is wrong with the reductions that the lake's columns need, a sentence each."""
    found = []
    for name in sorted({name for space in lake.spaces().values() if (name := reduction_name(space))} - {FIRST}):
        try:
            _loaded(lake.uri, name)
        except LakeError as error:
            found.append(str(error))
    return found


def keep_reduction(lake: str, file: str, *, name: str) -> str:
    """Stores the reduction of this name, which is in a file, in a lake; returns its place. Safe to repeat.

    Raises LakeError if the storage fails.
    """
    place = reduction_place(lake, name)
    with lake_errors(f"keeping the reduction {name} at {place}"):
        filesystem, path = fsspec.core.url_to_fs(place)
        with suppress(LakeError):  # none yet, or not this one
            _loaded(lake, name)
            return place
        source, source_path = fsspec.core.url_to_fs(file)
        data = source.cat_file(source_path)
        folder = local_folder(place)
        if folder is not None:
            make_folder(folder.parent)
        part = f"{path}.{os.getpid()}.part"  # two processes may keep it at once
        filesystem.pipe_file(part, data)
        filesystem.mv(part, path)
        if folder is not None:
            sync_files([Path(path)])
    return place


def _loaded(lake: str, name: str) -> Reduction:
    place = reduction_place(lake, name)
    try:
        found = Reduction.load(place)
        if found.name != name:
            raise ModelError(f"{place} is {found.name}")
    except ModelError as error:
        raise LakeError(
            f"{lake} lacks the reduction {name} by which its vectors were shortened, because {error}; copy the file "
            "back, or run an ingest with that file: --set regions.dimensions=D --set regions.reduction=FILE"
        ) from error
    return found


def kept_reductions(lake: str) -> list[str]:
    """The names of the reductions that a lake has."""
    with lake_errors(f"listing {lake}", lake=lake):
        filesystem, path = fsspec.core.url_to_fs(_root(lake))
        found = filesystem.ls(path, detail=False) if filesystem.exists(path) else []
    names = [str(each).rpartition("/")[2] for each in found]
    held = [each for each in names if each.startswith(_PREFIX) and each.endswith(_SUFFIX)]
    return sorted(each.removeprefix(_PREFIX).removesuffix(_SUFFIX) for each in held)


def _root(lake: str) -> str:
    """The folder from its root: workers of Ray, and a follower, have other working directories."""
    folder = local_folder(lake)
    return lake.rstrip("/") if folder is None else str(folder.resolve())


def reduction_place(lake: str, name: str) -> str:
    """Where a lake has the reduction of this name."""
    return f"{_root(lake)}/{_PREFIX}{name}{_SUFFIX}"
