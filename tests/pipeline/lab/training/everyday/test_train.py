"""Training from folders to weights. Catches weights that are not reproduced from the same folders, byte for byte."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.encoders.everyday.encoder import EverydayEncoder, weights_revision
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.proposals.models.coco_classes import COCO_CLASSES, SYNONYMS
from pipeline.lab.datasets.drawn_frames import drawn_frames
from pipeline.lab.training.everyday import train as everyday
from pipeline.lab.training.everyday.fit import FitConfig
from pipeline.lab.training.everyday.prompts import TEMPLATES, Prompts, everyday_prompts
from pipeline.lab.training.everyday.train import TrainConfig, train_everyday
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray, normalise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures with two objects each, as YOLO tools write them."""
    folder = tmp_path / "three"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (120, 160, 3), np.uint8)).save(folder / "images" / f"{i}.png")
        (folder / "labels" / f"{i}.txt").write_text(f"{i} 0.3 0.5 0.4 0.6\n{i + 7} 0.8 0.5 0.3 0.4\n")
    return folder


def test_the_same_folder_gives_the_same_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # three thousand sentences take a minute; that they are the same again is the next tests'
    words = normalise(np.random.default_rng(0).normal(size=(len(COCO_CLASSES) + 1000, 384)).astype(np.float32))
    classes, nouns = np.split(words, [len(COCO_CLASSES)])
    prompts = Prompts(classes, np.arange(len(classes)), nouns, nouns)
    monkeypatch.setattr(everyday, "everyday_prompts", lambda *_, **__: prompts)
    drawn, _ = drawn_frames((folder,), most=1)
    seen: list[tuple[int, int]] = []
    reports = []
    for name in ("first", "again"):
        config = TrainConfig(
            data=(folder,),
            cache_dir=tmp_path / name,  # of its own: nothing of the first run is reused
            out=tmp_path / f"{name}.safetensors",
            fit=FitConfig(epochs=1, batch=8),
        )
        reports.append(train_everyday(config, on_progress=lambda done, total: seen.append((done, total))))
    assert reports[0].out.read_bytes() == reports[1].out.read_bytes()
    assert seen == [(1, 3), (2, 3), (3, 3)] * 2
    origin = json.loads((tmp_path / "first.json").read_text())
    assert origin["pictures"] == {"three": 3}
    assert origin["revision"] == reports[0].revision == weights_revision(reports[0].out)
    less = train_everyday(replace(config, out=tmp_path / "less.safetensors", without=1))
    assert (less.pictures, less.objects) == (2, 4)
    for part in ("images", "labels"):
        (next((folder / part).glob(f"{drawn[0].path.stem}.*"))).unlink()
    fewer = train_everyday(replace(config, out=tmp_path / "fewer.safetensors"))
    assert less.out.read_bytes() == fewer.out.read_bytes()
    encoder = EverydayEncoder(threads=2, weights=reports[0].out)
    assert encoder.encode_images([np.zeros((9, 9, 3), np.uint8)]).shape == (1, 128)


def test_a_sentence_has_the_same_vector_in_any_company() -> None:
    texts = ["a dog", "a close-up of a traffic light", "a photo of a hair drier"]
    together, again = SentenceEncoder()(texts), SentenceEncoder()(texts[::-1])[::-1]
    assert together.tobytes() == again.tobytes()
    assert together[1:2].tobytes() == SentenceEncoder()(texts[1:2]).tobytes()


def test_prompts_are_every_name_of_a_class_in_every_sentence() -> None:
    said: list[str] = []

    def sentences(texts: Sequence[str]) -> VectorArray:
        said.extend(texts)
        return np.zeros((len(texts), 384), np.float32)

    prompts = everyday_prompts(sentences, nouns=("tench", "hen"))
    assert len(prompts.classes) == len(prompts.labels) == len(said) - 4
    assert {COCO_CLASSES[label] for label in prompts.labels} == set(COCO_CLASSES)
    of_couch = [said[i] for i in np.flatnonzero(prompts.labels == COCO_CLASSES.index("couch"))]
    assert of_couch == [template.format(name) for name in ("couch", *SYNONYMS["couch"]) for template in TEMPLATES]
    assert said[-4:] == ["tench", "hen", "a photo of a tench", "a photo of a hen"]


def test_training_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="give --data"):
        TrainConfig(data=(), cache_dir=tmp_path)
