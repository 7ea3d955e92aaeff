"""Catches broken checkpoints that load nevertheless, and errors that do not say what to do."""

import io
import json
import shutil
from pathlib import Path

import httpx2
import numpy as np
import pytest
import sentencepiece
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from operators.encoders.catalogue import load_encoder, model_card
from schemas.errors import ModelError
from tests.checkpoints import KINDS, LETTERS, Checkpoints, write_tokenizer


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


def test_a_licence_of_its_own_is_told_by_its_name(copied: Path) -> None:
    (copied / "README.md").write_text("---\nlicense: other\nlicense_name: dinov3-license\n---\n# A model\n")
    assert model_card(str(copied)).licence == "dinov3-license"


def test_other_weights_are_another_revision(copied: Path, checkpoints: Checkpoints) -> None:
    same = model_card(str(copied)).space.revision
    assert same == model_card(str(checkpoints("clip"))).space.revision
    settings = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").write_text(json.dumps(settings | {"resample": 2}))
    assert model_card(str(copied)).space.revision != same


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="known models: everyday, everyday-1, and checkpoints"):
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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GatedRepoError, r"accept its licence: do so at https://huggingface\.co/some/model"),
        (RepositoryNotFoundError, "the hub has no some/model"),
        (HfHubHTTPError, "some/model cannot be fetched from the hub: it said no"),
    ],
)
def test_what_the_hub_refuses_is_told(
    error: type[HfHubHTTPError], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> str:
        raise error("it said no", response=httpx2.Response(404, request=httpx2.Request("GET", "http://localhost")))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)  # no hub is in reach of the tests
    with pytest.raises(ModelError, match=reason):
        load_encoder("some/model")


@pytest.mark.parametrize("kind", ["clip", "open_clip_resnet"])
def test_a_checkpoint_in_the_hubs_cache_loads_without_a_network(
    kind: str, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    cached = tmp_path / "models--some--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(checkpoints(kind), cached / "snapshots" / ("0" * 40))
    encoder = load_encoder("some/model")
    assert encoder.space.model == "some/model"
    here = load_encoder(str(checkpoints(kind)))
    assert encoder.space.revision == here.space.revision
    np.testing.assert_array_equal(encoder.encode_texts(["a dog"]), here.encode_texts(["a dog"]))


def test_weights_that_are_missing_are_told(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no model\.safetensors .*; fetch it again, whole"):
        load_encoder(str(copied))


def test_weights_that_are_cut_off_are_told(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="its weights cannot be read"):
        load_encoder(str(copied))


def test_what_is_cut_off_is_told_before_anything_is_loaded(copied: Path) -> None:
    weights = copied / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(ModelError, match=r"is cut off, [\d,]+ of [\d,]+ bytes; fetch it again"):
        model_card(str(copied))
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match=r"model\.safetensors is no safetensors file"):
        model_card(str(copied))


def test_pickles_alone_are_refused_with_the_way_out(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is a pickle, which can run code .*save_pretrained"):
        model_card(str(copied))


def test_a_missing_shard_is_told(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (copied / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(ModelError, match=r"has no model-00002-of-00002\.safetensors"):
        model_card(str(copied))


def test_the_input_is_as_large_as_the_checkpoints_processor_makes_it(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoints("dinov2"), tmp_path / "copy"))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    crop = {"size": {"shortest_edge": 20}, "do_center_crop": True, "crop_size": {"height": 16, "width": 16}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | crop))
    assert model_card(str(folder)).input_px == 16
    settings |= {"size": {"height": 30, "width": 30}}  # no whole number of patches: then as the model was trained
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    assert model_card(str(folder)).input_px == 32


def test_a_processor_that_is_missing_is_told(copied: Path) -> None:
    (copied / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="its image processor cannot be read"):
        model_card(str(copied))


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


def test_a_tokenizer_that_ends_texts_otherwise_is_refused(copied: Path) -> None:
    write_tokenizer(copied, ends_last=True)
    with pytest.raises(ModelError, match="ends a text with token 53, the model reads it at token 1"):
        model_card(str(copied))


def test_a_tokenizer_that_is_missing_is_told(copied: Path) -> None:
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        (copied / name).unlink()
    with pytest.raises(ModelError, match="tokenizer"):
        model_card(str(copied))


def test_siglips_own_tokenizer_reads_words(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoints("siglip"), tmp_path / "copy"))
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(LETTERS)]),
        model_writer=made,
        model_type="char",
        vocab_size=54,
        user_defined_symbols=[f"<{i}>" for i in range(24)],
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(made.getvalue())
    signs = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>", "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "SiglipTokenizer", **signs}))
    encoder = load_encoder(str(folder))
    red, bare, other = encoder.encode_texts(["A red, car!", "a red car", "a big horse"])
    np.testing.assert_array_equal(red, bare)  # it was trained without capitals and signs
    assert not np.allclose(red, other, atol=1e-3)


def test_too_little_memory_is_told_before_anything_is_loaded(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.checkpoints.loading.free_bytes", lambda: 1000)
    with pytest.raises(ModelError, match=r"needs .* GB for its weights, 0.0 GB of memory are free"):
        load_encoder(str(copied))
