"""Catches checkpoints that load although they are broken, and reasons that do not say what to do."""

import json
import shutil
from pathlib import Path

import pytest

from operators.encoders.catalogue import load_encoder, model_card
from schemas.errors import ModelError
from tests.checkpoints import KINDS, Checkpoints, write_tokenizer


@pytest.fixture
def copied(checkpoints: Checkpoints, tmp_path: Path) -> Path:
    """A copy of a CLIP checkpoint, to be broken."""
    return Path(shutil.copytree(checkpoints("clip"), tmp_path / "copy"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_says_what_the_encoder_does(kind: str, checkpoints: Checkpoints) -> None:
    card = model_card(str(checkpoints(kind)))
    encoder = load_encoder(str(checkpoints(kind)))
    assert encoder.space == card.space
    assert card.space.dimension == (24 if "clip" in kind else 32)
    assert (card.patch_px, card.input_px, card.licence) == (8, 32, "not stated")
    assert ("text" in card.abilities) == (kind in ("clip", "metaclip_2", "siglip", "siglip2"))


def test_the_licence_is_read_from_its_readme(copied: Path) -> None:
    (copied / "README.md").write_text("---\nlicense: mit\ntags: []\n---\n# A model\n")
    assert model_card(str(copied)).licence == "mit"


def test_other_weights_are_another_revision(copied: Path, checkpoints: Checkpoints) -> None:
    same = model_card(str(copied)).space.revision
    assert same == model_card(str(checkpoints("clip"))).space.revision
    settings = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").write_text(json.dumps(settings | {"resample": 2}))
    assert model_card(str(copied)).space.revision != same


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="known models: everyday, and checkpoints"):
        model_card("clip")
    with pytest.raises(ModelError, match="there is no folder or file"):
        model_card(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"holds no config\.json and no open_clip_config\.json"):
        model_card(str(tmp_path))


def test_a_hub_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"nobody/nothing.*--local-dir DIR"):
        model_card("nobody/nothing")


def test_weights_that_are_missing_are_told(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model\.safetensors .*; fetch it again, whole"):
        load_encoder(str(copied))


def test_weights_that_are_cut_off_are_told(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="its weights cannot be read"):
        load_encoder(str(copied))


def test_weights_of_another_shape_are_told(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 4
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="lacks weights that its configuration names"):
        load_encoder(str(copied))


def test_an_architecture_that_is_not_known_is_told(copied: Path) -> None:
    (copied / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="is a bert model; known are clip"):
        load_encoder(str(copied))


def test_a_tokenizer_of_another_model_is_refused(copied: Path) -> None:
    write_tokenizer(copied, extra=tuple(f"word{i}</w>" for i in range(100)))
    with pytest.raises(ModelError, match="knows 154 tokens, the model 56: it belongs to another model"):
        load_encoder(str(copied))


def test_too_little_memory_is_told_before_anything_is_loaded(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.encoders.checkpoint.loading.free_bytes", lambda: 1000)
    with pytest.raises(ModelError, match=r"needs .* GB for its weights, 0.0 GB of memory are free"):
        load_encoder(str(copied))
