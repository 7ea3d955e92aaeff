"""Resolves the overlays of deploy/hosting/kubernetes as `kubectl kustomize` does, for machines without it.

It knows what these folders use: resources, JSON patches of a named kind, images, one namespace, generated config maps.
Whatever else a kustomization has is an error, and test_kubernetes.py compares it with kubectl where that is installed.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

Manifest = dict[str, Any]
KNOWN = {
    *("apiVersion", "kind", "namespace", "labels", "resources", "images", "configMapGenerator", "patches"),
}


def resolved(folder: Path) -> list[Manifest]:
    """The manifests of an overlay, in the order of its resources. Names of generated config maps have no hash."""
    settings = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(settings) - KNOWN
    assert not unknown, f"{folder} uses {unknown}, which tests/deploy/hosting/overlays.py does not know"
    found: list[Manifest] = []
    for name in settings["resources"]:
        path = folder / name
        found += resolved(path) if path.is_dir() else manifests(path)
    found += [config_map(folder, each) for each in settings.get("configMapGenerator", ())]
    for patch in settings.get("patches", ()):
        found = patched(found, patch, folder)
    for manifest in found:
        if manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = settings["namespace"]
        for pairs in settings.get("labels", ()):
            manifest["metadata"].setdefault("labels", {}).update(pairs["pairs"])
        for container in containers(manifest):
            container["image"] = tagged(container["image"], settings.get("images", ()))
    return found


def manifests(path: Path) -> list[Manifest]:
    # a copy by JSON: YAML's anchors make parts the same object, and a change of one would change all
    return [json.loads(json.dumps(each)) for each in yaml.safe_load_all(path.read_text())]


def config_map(folder: Path, generator: dict[str, Any]) -> Manifest:
    data = {name: (folder / name).read_text() for name in generator["files"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}


def patched(found: list[Manifest], patch: dict[str, Any], folder: Path) -> list[Manifest]:
    target = (patch["target"]["kind"], patch["target"]["name"])
    chosen = [each for each in found if (each["kind"], each["metadata"]["name"]) == target]
    assert len(chosen) == 1, f"{target} is {len(chosen)} manifests of {folder}"
    operations = json.loads((folder / patch["path"]).read_text())
    return [jsonpatch.apply_patch(copy.deepcopy(each), operations) if each in chosen else each for each in found]


def tagged(image: str, rules: Any) -> str:
    name = image.partition(":")[0]
    rule = next((rule for rule in rules if rule["name"] == name), None)
    return image if rule is None else f"{rule['newName']}:{rule['newTag']}"


def containers(node: object) -> Iterator[dict[str, Any]]:
    """Every container of a manifest, wherever its pods are described."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers"):
                yield from value
            else:
                yield from containers(value)
    elif isinstance(node, list):
        for each in node:
            yield from containers(each)
