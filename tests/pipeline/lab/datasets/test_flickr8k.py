"""Pictures with captions. Catches captions of another picture, and broken lines that are not named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.lab.datasets.flickr8k import read_flickr8k
from schemas.errors import SourceError


def folder_of(path: Path, lines: str) -> Path:
    (path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(path / "images" / name)
    (path / "captions_train.tsv").write_text(lines)
    return path


def test_each_picture_has_its_captions_in_order(tmp_path: Path) -> None:
    read = read_flickr8k(folder_of(tmp_path, "b.png\tTwo dogs .\na.png\tA cat .\nb.png\tDogs run .\n"), split="train")
    assert [(f.path.name, f.captions, f.width_px, f.height_px) for f in read.frames] == [
        ("b.png", ("Two dogs .", "Dogs run ."), 8, 6),
        ("a.png", ("A cat .",), 8, 6),
    ]
    assert read.objects == 0


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("a.png A cat", r"captions_train.tsv:1: a line is the name"),
        ("a.png\tA cat\nb.png\t ", "captions_train.tsv:2"),
        ("c.png\tA cat", "names c.png, which is in none of"),
        ("", "holds no caption"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, lines: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read_flickr8k(folder_of(tmp_path, lines), split="train")


def test_another_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"captions_dev.tsv cannot be read"):
        read_flickr8k(folder_of(tmp_path, "a.png\tA cat"), split="dev")
