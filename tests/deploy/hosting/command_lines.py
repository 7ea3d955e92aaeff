"""The `regionlake …` command lines in files of deploy/hosting, and whether the command understands them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
import yaml

from tests.conftest import ROOT
from tests.deploy.hosting.overlays import containers, manifests, resolved

HOSTING = ROOT / "deploy" / "hosting"
OVERLAYS = (HOSTING / "kubernetes" / "one-gpu-box", HOSTING / "kubernetes" / "cluster")
BACKFILL = HOSTING / "kubernetes" / "backfill.yaml"


def of_text(text: str) -> list[list[str]]:
    """The words after `regionlake` of every such command in a shell script or a unit."""
    lines = text.replace("\\\n", " ").splitlines()
    found = [re.search(r"(?:^|[\s/=])regionlake (.+)$", line) for line in lines if not line.lstrip().startswith("#")]
    return [shlex.split(match[1].removesuffix("&")) for match in found if match]


def of_manifests(found: list[dict[str, Any]]) -> Iterator[list[str]]:
    for manifest in found:
        for container in containers(manifest):
            variables = {each["name"]: str(each.get("value")) for each in container.get("env", ())}
            args = [with_values(each, variables) for each in container.get("args", ())]
            if container.get("command", [])[:1] == ["bash"]:
                yield from of_text("\n".join(args))
            elif args:
                yield args
        if "entrypoint" in manifest.get("spec", {}):
            yield from of_text(manifest["spec"]["entrypoint"])


def with_values(text: str, variables: dict[str, str]) -> str:
    """The text with the values of `$(NAME)`, as the kubelet passes it."""
    return re.sub(r"\$\((\w+)\)", lambda name: variables[name[1]], text)


def of_compose(path: Path) -> Iterator[list[str]]:
    for service in yaml.safe_load(path.read_text())["services"].values():
        if service["image"].startswith("regionlake"):
            yield service["command"]


def every_command() -> dict[str, list[list[str]]]:
    """By the file in which they stand."""
    found = {folder.name: list(of_manifests(resolved(folder))) for folder in OVERLAYS}
    found[BACKFILL.name] = list(of_manifests(manifests(BACKFILL)))
    found["compose.yaml"] = list(of_compose(HOSTING / "container" / "compose.yaml"))
    for unit in sorted((HOSTING / "systemd").glob("*.service")):
        found[unit.name] = of_text("\n".join(line for line in unit.read_text().splitlines() if "ExecStart" in line))
    return found


def require_understood(words: list[str]) -> dict[str, Any]:
    """The values of the parameters; raises as the command does for what it does not understand."""
    from deploy.cli.main import app

    command: Any = typer.main.get_command(app)
    given = [word.replace("/etc/regionlake/plan", str(OVERLAYS[0])) for word in words]  # where the pod has that file
    context = command.make_context("regionlake", given)
    while hasattr(command, "commands"):
        name, command, given = command.resolve_command(context, given)
        context = command.make_context(name, given, parent=context)
    return dict(context.params)
