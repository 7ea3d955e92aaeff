"""Loads the tokenizer of a checkpoint, and checks that the model was trained with it."""

from typing import Any

from operators.checkpoints.files import CheckpointFiles
from operators.checkpoints.model_errors import describing_model_errors
from schemas.errors import ModelError

_ADVICE = "put those of openai/clip-vit-base-patch32 (tokenizer.json, or vocab.json and merges.txt) beside it"


def load_tokenizer(files: CheckpointFiles, name: str) -> Any:
    """The tokenizer in the folder of a checkpoint. Raises ModelError if there is none."""
    from transformers import AutoTokenizer, CLIPTokenizer

    if files.layout == "transformers":
        with describing_model_errors(name, "its tokenizer"):
            return AutoTokenizer.from_pretrained(files.path, local_files_only=True, trust_remote_code=False)
    folder = files.folder
    if not (folder / "tokenizer.json").is_file() and not (folder / "merges.txt").is_file():
        raise ModelError(f"{name} has no tokenizer: {_ADVICE}")
    with describing_model_errors(name, "its tokenizer"):
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def require_tokenizer(files: CheckpointFiles, name: str, *, trained: int, end: int | None) -> None:
    """Raises ModelError for a tokenizer of another model.

    trained: size of the model's vocabulary. end: the token whose output is the vector of a text; None for a model that
    reads the vector elsewhere.
    """
    tokenizer = load_tokenizer(files, name)
    known = len(tokenizer)
    if not 0.9 * trained <= known <= trained:  # vocabularies are padded to round numbers, by less than a tenth
        raise ModelError(
            f"the tokenizer of {name} knows {known} tokens, the model {trained}: it belongs to another model; "
            "fetch the checkpoint's own"
        )
    last = tokenizer("a")["input_ids"][-1]
    if end is not None and last != end:
        raise ModelError(
            f"the tokenizer of {name} ends a text with token {last}, the model reads it at token {end}: it belongs to "
            "another model; fetch the checkpoint's own"
        )
