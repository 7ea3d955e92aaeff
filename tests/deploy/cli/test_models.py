"""A user's own models on the command line: catches lakes that lose their model, or are searched with another one."""

import json
from pathlib import Path

from PIL import Image

from tests.checkpoints import Checkpoints
from tests.deploy.cli.conftest import Run


def test_models_lists_the_default_and_what_else_loads(called: Run) -> None:
    done = called("models")
    assert "everyday" in done.stdout
    assert "siglip2" in done.stdout
    assert "checkpoints that are not included" in done.stdout
    assert "timm/resnet50x64_clip.openai" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 160


def test_models_tells_programs_the_same(called: Run) -> None:
    listed = json.loads(called("models", "--json").stdout)
    assert [model["name"] for model in listed["models"]] == ["everyday", "everyday-1"]
    (largest,) = [each for each in listed["checkpoints"] if each["name"].startswith("facebook/dinov3-vit7b16")]
    assert largest == {
        "name": "facebook/dinov3-vit7b16-pretrain-lvd1689m",
        "summary": "DINOv3 ViT-7B/16",
        "dimension": 4096,
        "input_px": 224,
        "patch_px": 16,
        "parameters_m": 6716.0,
        "memory_gb": 26.86,
        "licence": "DINOv3 License",
        "abilities": ["image", "dense"],
    }


def test_the_default_tells_what_it_was_trained_on_and_is_weak_at(called: Run) -> None:
    card = called("models", "everyday").stdout
    assert "training data" in card
    assert "Weak at" in card


def test_a_checkpoint_is_described(called: Run, checkpoints: Checkpoints) -> None:
    done = called("models", checkpoints("siglip"))
    assert done.returncode == 0, done.stderr
    assert "text, image, dense" in done.stdout


def test_a_lake_of_a_checkpoint_is_searched_with_it(
    regionlake: Run, called: Run, clip: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    options = ["--proposer", "grid", "--lake", tmp_path / "lake", "--model"]
    made = regionlake("ingest", clip, *options, checkpoints("clip"), "--set", "regions.mode=pool")
    assert made.returncode == 0, made.stderr
    # no messages of libraries; on a slow machine there is progress
    assert [line for line in made.stderr.splitlines() if not line.startswith("progress:")] == []
    found = called("search", "a box", "--box", "0,0,0.5,0.5", "--lake", tmp_path / "lake", "-k", 2)
    assert found.returncode == 0, found.stderr
    assert "2 hits" in found.stdout
    own = ["--template", "a drawing of the {}", "--template", "{}"]
    drawn = called("search", "a box", *own, "--box", "0,0,0.5,0.5", "--lake", tmp_path / "lake", "-k", 2)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout != found.stdout
    wrong = called("search", "a box", "--template", "a drawing", "--lake", tmp_path / "lake")
    assert wrong.returncode == 2
    assert "every template needs one {}" in wrong.stderr
    again = called("ingest", clip, *options, checkpoints("dinov2"))
    assert again.returncode == 2
    assert "cannot be compared" in again.stderr


def test_a_model_of_pictures_is_asked_with_pictures(
    called: Run, clip: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    made = called(
        "ingest", clip, "--proposer", "grid", "--lake", tmp_path / "lake", "--model", checkpoints("dinov3_vit")
    )
    assert made.returncode == 0, made.stderr
    refused = called("search", "a box", "--lake", tmp_path / "lake")
    assert refused.returncode == 2
    assert "knows no words" in refused.stderr
    assert "--image" in refused.stderr
    Image.new("RGB", (50, 40), "white").save(tmp_path / "white.png")
    found = called("search", "--image", tmp_path / "white.png", "--lake", tmp_path / "lake", "-k", 1)
    assert "1 hit of" in found.stdout
