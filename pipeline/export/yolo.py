"""YOLO: `data.yaml`, a folder of pictures, and a text file for each (https://docs.ultralytics.com/datasets/detect/)."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.export.dataset import ExportedFrame, Pictures, label_names

PICTURES = "images"


def write_yolo(folder: Path, frames: Sequence[ExportedFrame], pictures: Pictures) -> list[Path]:
    """A line is `class x y width height`, of the centre, in fractions of the picture. Training and validation are the
    same folder: split it by source, as neighbouring keyframes are alike."""
    names = label_names(frames)
    number = {name: at for at, name in enumerate(names)}
    (folder / "labels").mkdir(exist_ok=True)
    made = []
    for frame in frames:
        lines = []
        for each in frame.annotations:
            x0, y0, x1, y1 = each.box
            values = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
            lines.append(f"{number[each.label]} " + " ".join(f"{value:.6f}" for value in values))
        path = folder / "labels" / f"{PurePosixPath(pictures[frame.id].path).stem}.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        made.append(path)
    listed = "".join(f"  {at}: {_quoted(name)}\n" for at, name in enumerate(names))
    about = folder / "data.yaml"
    about.write_text(f"train: {PICTURES}\nval: {PICTURES}\nnames:\n{listed}")
    return [about, *made]


def _quoted(name: str) -> str:
    """The name in YAML's double quotes, in which every sign can be written by its number (YAML 1.2, section 5.7)."""
    return (
        '"'
        + "".join(each if " " <= each <= "~" and each not in '"\\' else f"\\U{ord(each):08x}" for each in name)
        + '"'
    )
