"""The 1,000 class names of the ImageNet classifier, in its order."""

from pathlib import Path

_FILE = Path(__file__).parent / "imagenet_names.txt"


def classifier_names() -> tuple[str, ...]:
    """One short English name per class, e.g. "giant panda"; two classes may share a name."""
    return tuple(_FILE.read_text(encoding="utf-8").splitlines())
