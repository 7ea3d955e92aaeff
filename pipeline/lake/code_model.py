"""The code model of a lake: stored beside its tables, because searches by codes need it."""

from pathlib import Path

import fsspec

from operators.codes.model import CodeModel
from operators.runtime.file_sync import sync_files
from pipeline.lake.lake import Lake, lake_errors
from schemas.errors import LakeError, QueryError
from schemas.tables import CODE_MODEL_KEY, code_model_fingerprint


def keep_code_model(lake: Lake, model: CodeModel) -> None:
    """Stores a code model in a lake, for the codes of its regions; only the lake's writer may call it. Safe to repeat.

    Raises LakeError where regions have codes of another model: codes of two models cannot be compared.
    """
    held = code_model_fingerprint(lake.dataset("regions").schema)
    if held not in (None, model.fingerprint) and lake.count("regions", where="code IS NOT NULL"):
        raise LakeError(
            f"{lake.uri} holds codes of the code model {held}, the plan's is {model.fingerprint}: "
            "use that one (codes.model), or ingest into another lake"
        )
    with lake_errors(f"keeping the code model in {lake.uri}", lake=lake.uri):
        filesystem, path = fsspec.core.url_to_fs(_place(lake, model.fingerprint))
        if not filesystem.exists(path):
            filesystem.pipe_file(path + ".part", model.to_bytes())
            filesystem.mv(path + ".part", path)
            if lake.folder is not None:
                sync_files([Path(path)])
        if held != model.fingerprint:
            lake.table("regions").update_field_metadata(
                {"path": "code", "metadata": {CODE_MODEL_KEY: model.fingerprint}}
            )
            lake.make_durable("regions")


def load_code_model(lake: Lake) -> CodeModel:
    """The lake's code model. Raises QueryError if it has no codes, LakeError if the model is missing or damaged."""
    fingerprint = code_model_fingerprint(lake.dataset("regions").schema)
    if fingerprint is None:
        raise QueryError(
            f"{lake.uri} holds no codes: train some (regionlake lab train codes --lake {lake.uri} "
            "--out codes.safetensors) "
            "and ingest with --set codes.model=codes.safetensors"
        )
    place = _place(lake, fingerprint)
    with lake_errors(f"reading the code model {place}"):
        filesystem, path = fsspec.core.url_to_fs(place)
        model = CodeModel.from_bytes(filesystem.cat_file(path), name=place)
    if model.fingerprint != fingerprint:
        raise LakeError(
            f"{place} is not the code model {fingerprint} that made the lake's codes; restore it from a copy"
        )
    return model


def _place(lake: Lake, fingerprint: str) -> str:
    return f"{lake.uri.rstrip('/')}/codes-{fingerprint}.safetensors"
