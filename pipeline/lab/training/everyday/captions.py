"""Sentence vectors of captions, computed once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.sentences import MINILM
from operators.runtime.atomic_write import atomic_write
from pipeline.lab.datasets.dataset import LabelledFrame
from schemas.ids import digest
from schemas.vectors import VectorArray


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """sentences: float32 (N, 384), L2-normalised. pictures: intp (N,), the index of the picture of each."""

    sentences: VectorArray
    pictures: NDArray[np.intp]


def caption_vectors(
    pictures: Sequence[LabelledFrame],
    sentences: Callable[[Sequence[str]], VectorArray],
    *,
    cache_dir: Path,
    threads: int,
) -> Captions | None:
    """The captions of all pictures in order; None if there are none. 7 ms each, so they are kept in `cache_dir`."""
    texts = [text for picture in pictures for text in picture.captions]
    if not texts:
        return None
    places = np.repeat(np.arange(len(pictures)), [len(picture.captions) for picture in pictures])
    path = cache_dir / f"{digest('captions', 1, MINILM.package, MINILM.version, *texts)}.npy"
    if not path.exists():
        with ThreadPoolExecutor(threads, "captions") as workers:
            vectors = np.concatenate(list(workers.map(lambda text: sentences([text]), texts)))
        with atomic_write(path) as file:
            np.save(file, vectors)
    return Captions(np.load(path), places)
