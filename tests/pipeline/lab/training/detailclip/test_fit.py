"""Training of the fusion. Catches a loss that is not the paper's, a run with other results after a kill, a checkpoint
of another run that is accepted, and padding that changes vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from operators.detailclip.cover import Covered
from operators.detailclip.fusion import Fusion, FusionShape
from operators.detailclip.proxies import proxy_similarities
from pipeline.lab.training.detailclip.checkpoint import Epoch
from pipeline.lab.training.detailclip.fit import DetailFitConfig, fit_fusion
from pipeline.lab.training.detailclip.loss import query_proxy_loss
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray, normalise

DIMENSION = 16
TINY = DetailFitConfig(epochs=6, warm_up_epochs=2, batch=8, width=16, heads=2, hidden=16)


def vectors(*shape: int, seed: int) -> VectorArray:
    return normalise(np.random.default_rng(seed).normal(size=(*shape, DIMENSION)).astype(np.float32))


def pictures(count: int, *, windows: int = 6) -> list[Covered]:
    return [Covered(vectors(windows + i % 3, seed=i), vectors(seed=1000 + i)) for i in range(count)]


TEXTS = vectors(5, seed=7)


def test_the_loss_is_the_divergence_of_both_softmaxes() -> None:
    rng = np.random.default_rng(0)
    found, wanted = rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, (4, 3))

    def softmax(x: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True))

    expected = 0.0
    for axis in (0, 1):
        p, q = softmax(20 * wanted, axis), softmax(12 * found, axis)
        expected += float((p * np.log(p / q)).sum(axis=axis).mean())
    got = query_proxy_loss(
        torch.from_numpy(found), torch.from_numpy(wanted), found_scale=torch.tensor(12.0), wanted_scale=20.0
    )
    assert float(got) == pytest.approx(expected)


def test_the_loss_is_zero_where_the_fused_vectors_answer_as_the_best_windows_do() -> None:
    wanted = torch.rand(4, 3)
    assert float(query_proxy_loss(wanted, wanted, found_scale=torch.tensor(20.0), wanted_scale=20.0)) < 1e-6


def test_the_proxy_is_the_nearest_window_that_exists() -> None:
    windows, texts = vectors(2, 4, seed=1), vectors(3, seed=2)
    present = np.ones((2, 4), bool)
    present[1, 2:] = False
    got = proxy_similarities(*map(torch.from_numpy, (windows, texts)), torch.from_numpy(present)).numpy()
    np.testing.assert_allclose(got[:, 0], (texts @ windows[0].T).max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(got[:, 1], (texts @ windows[1, :2].T).max(axis=1), rtol=1e-6)


def test_fused_vectors_have_unit_length_and_ignore_padding_and_the_order_of_windows() -> None:
    torch.manual_seed(0)
    fusion = Fusion(FusionShape(DIMENSION, proxies=5, width=16, heads=2, hidden=16)).eval()
    windows, whole = torch.from_numpy(vectors(1, 5, seed=1)), torch.from_numpy(vectors(1, seed=2))
    with torch.inference_mode():
        plain = fusion(windows, whole)
        padded = fusion(
            torch.cat([windows, torch.zeros(1, 3, DIMENSION)], dim=1),
            whole,
            torch.tensor([[True] * 5 + [False] * 3]),
        )
        turned = fusion(windows.flip(1), whole)
    assert plain.norm(dim=1).item() == pytest.approx(1.0)
    torch.testing.assert_close(padded, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned, plain, atol=1e-5, rtol=0)
    assert not torch.allclose(plain, whole, atol=1e-2)


def test_training_lowers_the_loss_of_pictures_it_has_not_seen() -> None:
    config = replace(TINY, epochs=8, learning_rate=5e-3, held_out=0.2)
    _, curve = fit_fusion(pictures(30), TEXTS, config)
    assert [epoch.number for epoch in curve] == list(range(1, 9))
    first, last = curve[0].held_out_loss, curve[-1].held_out_loss
    assert first is not None
    assert last is not None
    assert last < 0.8 * first
    assert curve[-1].loss < curve[0].loss


def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path: Path) -> None:
    class KilledError(Exception):
        pass

    def die(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KilledError

    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KilledError):
        fit_fusion(pictures(20), TEXTS, TINY, checkpoint=checkpoint, on_epoch=die)
    torch.manual_seed(99)  # what else draws must not matter
    trained: list[int] = []
    resumed, curve = fit_fusion(
        pictures(20), TEXTS, TINY, checkpoint=checkpoint, on_epoch=lambda epoch: trained.append(epoch.number)
    )
    whole, whole_curve = fit_fusion(pictures(20), TEXTS, TINY)
    assert trained == [4, 5, 6]
    assert curve == whole_curve
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    fit_fusion(pictures(8), TEXTS, TINY, checkpoint=checkpoint)
    with pytest.raises(InvalidValueError, match="other pictures, classes or settings"):
        fit_fusion(pictures(9), TEXTS, TINY, checkpoint=checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(InvalidValueError, match="is not a checkpoint"):
        fit_fusion(pictures(8), TEXTS, TINY, checkpoint=checkpoint)


def test_what_cannot_be_trained_on_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no picture"):
        fit_fusion([], TEXTS, TINY)
    with pytest.raises(InvalidValueError, match="texts must be"):
        fit_fusion(pictures(4), TEXTS[:, :3], TINY)
    with pytest.raises(InvalidValueError, match="warm_up_epochs <= epochs"):
        DetailFitConfig(epochs=3, warm_up_epochs=4)
