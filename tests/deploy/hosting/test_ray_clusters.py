"""Cluster files for `ray up`. Catches a file that Ray refuses, nodes without the token, and a step that is not there.

Ray's own schema and preparation of such files are used, which `ray up` begins with.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.conftest import ROOT

FILES = sorted((ROOT / "deploy" / "hosting" / "ray").glob("*.yaml"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
COMMANDS = ("setup_commands", "head_setup_commands", "head_start_ray_commands", "worker_start_ray_commands")


def read(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    return config


@every_file
def test_ray_accepts_it(path: Path) -> None:
    prepared = prepare_config(read(path))
    validate_config(prepared)
    assert prepared["max_workers"] >= 1
    assert prepared["head_node_type"] in prepared["available_node_types"]


@every_file
def test_ray_would_notice_a_mistake(path: Path) -> None:
    with pytest.raises(ValidationError):
        validate_config(prepare_config({**read(path), "setup_commands": [{"run": "this"}]}))


@every_file
def test_every_node_has_the_token_and_what_it_installs_is_in_the_checkout(path: Path) -> None:
    config = read(path)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        starts = [command for command in config[key] if "ray start" in command]
        assert len(starts) == 1
        assert all(". ~/regionlake.env;" in command for command in config[key])
    every = " ".join(command for key in COMMANDS for command in config.get(key, ()))
    files = re.findall(r"(?:~/regionlake/|-r )(deploy/\S+)", every)
    assert len(files) == 2
    assert all((ROOT / name).is_file() for name in files)
