"""Query proxies. Catches vectors whose cosines with names differ from those of the best windows, similar names that
make the vector too large, and padding that is mistaken for windows."""

import numpy as np
import torch

from operators.detailclip.fusion import Fusion, FusionShape, mean_window
from operators.detailclip.proxies import QueryProxies
from schemas.vectors import VectorArray, normalise

DIMENSION = 16


def vectors(*shape: int, seed: int) -> VectorArray:
    return normalise(np.random.default_rng(seed).normal(size=(*shape, DIMENSION)).astype(np.float32))


def proxies(texts: VectorArray, *, ridge: float) -> QueryProxies:
    made = QueryProxies(len(texts), DIMENSION)
    made.start_from(torch.from_numpy(texts), ridge=ridge)
    return made


def test_what_is_added_answers_every_name_as_its_nearest_window_does() -> None:
    windows, texts, base = vectors(3, 6, seed=0), vectors(5, seed=1), vectors(3, seed=2)
    added = proxies(texts, ridge=1e-9)(torch.from_numpy(windows), torch.from_numpy(base)).numpy()
    np.testing.assert_allclose((base + added) @ texts.T, (windows @ texts.T).max(axis=1), atol=1e-4)
    # and nothing else is changed: what is added lies in the span of the names
    inside = np.linalg.lstsq(texts.T, added.T, rcond=None)[0]
    np.testing.assert_allclose(texts.T @ inside, added.T, atol=1e-4)


def test_it_is_the_ridge_solution() -> None:
    windows, texts, base = vectors(2, 6, seed=0), vectors(5, seed=1), vectors(2, seed=2)
    added = proxies(texts, ridge=0.3)(torch.from_numpy(windows), torch.from_numpy(base)).numpy()
    missing = (windows @ texts.T).max(axis=1) - base @ texts.T
    # min |texts · x - missing|² + 0.3 |x|², as ordinary least squares with rows for the penalty
    rows = np.concatenate([texts, np.sqrt(0.3) * np.eye(DIMENSION)])
    wanted = np.concatenate([missing, np.zeros((2, DIMENSION))], axis=1)
    np.testing.assert_allclose(added, np.linalg.lstsq(rows, wanted.T, rcond=None)[0].T, atol=1e-5)


def test_two_names_that_are_nearly_one_do_not_blow_it_up() -> None:
    texts = vectors(3, seed=1)
    texts[2] = normalise(texts[1][None] + 1e-3 * vectors(1, seed=5))[0]
    windows, base = torch.from_numpy(vectors(4, 6, seed=0)), torch.zeros(4, DIMENSION)
    assert proxies(texts, ridge=0.1)(windows, base).norm(dim=1).max() < 2
    more_names_than_dimensions = vectors(3 * DIMENSION, seed=2)
    assert proxies(more_names_than_dimensions, ridge=0.1)(windows, base).isfinite().all()


def test_an_untrained_fusion_tells_pictures_apart_as_their_windows_do_and_not_as_whole_frames_do() -> None:
    windows, whole, texts = vectors(40, 6, seed=0), vectors(40, seed=1), vectors(5, seed=2)
    present = torch.ones(40, 6, dtype=torch.bool)
    present[:20, 4:] = False
    windows[:20, 4:] = 0
    torch.manual_seed(0)
    fusion = Fusion(FusionShape(DIMENSION, proxies=5, width=16, heads=2, hidden=16)).eval()
    fusion.start_from(torch.from_numpy(windows), torch.from_numpy(texts), present=present, ridge=0.01)
    with torch.inference_mode():
        fused = fusion(torch.from_numpy(windows), torch.from_numpy(whole), present).numpy()
    cosines = np.where(present.numpy()[:, :, None], windows @ texts.T, -np.inf)
    wanted = cosines.max(axis=1)
    like = [np.corrcoef(fused @ t, w)[0, 1] for t, w in zip(texts, wanted.T, strict=True)]
    assert min(like) > 0.8
    assert max(abs(np.corrcoef(whole @ t, w)[0, 1]) for t, w in zip(texts, wanted.T, strict=True)) < 0.6


def test_the_mean_is_of_the_windows_that_are_there() -> None:
    windows = torch.from_numpy(vectors(2, 5, seed=0))
    present = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    torch.testing.assert_close(mean_window(windows, present)[0], windows[0].mean(dim=0))
    torch.testing.assert_close(mean_window(windows, present)[1], windows[1, :3].mean(dim=0))
    torch.testing.assert_close(mean_window(windows), windows.mean(dim=1))
