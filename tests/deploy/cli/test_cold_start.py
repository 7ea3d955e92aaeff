"""The start of a command. Catches an import for which every search, status or help then waits, and a first ingest that
exports, downloads or warns."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NEVER = {"torch", "transformers", "lancedb", "ray", "pandas", "scenedetect", "av", "cv2", "scipy", "sklearn", "fsspec"}
NOT_FOR_READING = NEVER | {"onnxruntime", "tokenizers"}
NOT_FOR_TEXT = NEVER | {"cattrs", "pipeline.lake.plans_in_use"}  # a part of a picture needs the plan, and text does not
NOT_FOR_PICTURES = {
    "torch",
    "transformers",
    "ray",
    "scipy.optimize",
    "sklearn",
    "lance_namespace_urllib3_client.api",
    "pandas",
}
NOT_FOR_HELP = NOT_FOR_READING | {"lance", "pyarrow", "rich"}
CODE = """
import sys
from deploy.cli.main import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def modules_of(*arguments: str | Path) -> set[str]:
    """The modules that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def picture(path: Path) -> None:
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(path)


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["search", "a bicycle"], NOT_FOR_TEXT),
        (["search", "--box", "0,0,0.5,1"], NOT_FOR_READING),
        (["search", "a bicycle", "--json"], NOT_FOR_TEXT | {"rich"}),
        (["status"], NOT_FOR_READING),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_that_reads_a_lake_imports_what_it_uses(arguments: list[str], unwanted: set[str], lake: Path) -> None:
    assert modules_of(*arguments, "--lake", lake) & unwanted == set()


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_next_to_nothing(arguments: list[str]) -> None:
    assert modules_of(*arguments) & NOT_FOR_HELP == set()


def test_an_ingest_imports_what_it_uses(tmp_path: Path) -> None:
    picture(tmp_path / "picture.png")
    imported = modules_of("ingest", tmp_path / "picture.png", "--lake", tmp_path / "lake")
    assert imported & NOT_FOR_PICTURES == set()
    assert "lancedb" in imported


def test_a_first_ingest_writes_nothing_at_home_and_warns_of_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    picture(tmp_path / "picture.png")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "ingest", tmp_path / "picture.png", "--lake", tmp_path / "lake"],
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()
    assert not list(home.iterdir())
