"""`regionlake lab`: catches old names of commands that fail, and errors that do not name the extra."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.cli.conftest import Run

COMMANDS = {
    "eval": [
        *("search", "subregion", "representatives", "codes", "everyday", "confidence", "proposals", "tracks"),
        *("identities", "masks"),
    ],
    "train": ["everyday", "confidence", "backbone", "detail", "codes"],
}


@pytest.mark.parametrize("group", COMMANDS)
def test_every_command_is_listed_with_a_description_that_is_whole(called: Run, group: str) -> None:
    listed = called("lab", group, "--help").stdout
    for command in COMMANDS[group]:
        assert f"\n  {command} " in listed
        assert f"Usage: regionlake lab {group} {command}" in called("lab", group, command, "--help").stdout
    assert "..." not in listed.replace("[ARGS]...", ""), "a description is cut off; its first sentence is too long"


@pytest.mark.parametrize("words", [["eval", "masks"], ["train", "codes"], ["generate"]], ids=" ".join)
def test_an_old_name_works_and_says_the_new_one(called: Run, words: list[str]) -> None:
    old, new = called(*words, "--help"), called("lab", *words, "--help")
    assert old.returncode == 0
    assert old.stdout == new.stdout.replace("regionlake lab ", "regionlake ")
    assert new.stderr == ""
    assert old.stderr.splitlines() == [
        f"regionlake: `regionlake {words[0]}` is deprecated; use `regionlake lab {words[0]}`"
    ]


def test_without_its_extra_a_command_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['yaml'] = None; from deploy.cli.main import main; main()"
    command = [sys.executable, "-c", code, "lab", "eval", "masks", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "regionlake: yaml is not installed; run: pip install 'regionlake[lab]'\n"
