"""Kubernetes manifests. Catches fields that no API server knows, secrets and volumes that nobody makes, containers that
run as root, and Ray without tokens.

Kinds of Kubernetes are compared with its own schemas, those of KubeRay with its definitions (crds/NOTICE.md).
"""

import gzip
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from pipeline.plan.plan_file import load_plan
from tests.deploy.hosting.command_lines import BACKFILL, OVERLAYS
from tests.deploy.hosting.overlays import Manifest, containers, manifests, resolved
from tests.deploy.test_setup import lock

VERSION = "1.33"
CRDS = Path(__file__).parent / "crds"
INSTALLATIONS = {folder.name: resolved(folder) for folder in OVERLAYS} | {BACKFILL.stem: manifests(BACKFILL)}
every_installation = pytest.mark.parametrize("name", INSTALLATIONS)
# made by hand, before the manifests are applied (deploy/hosting/README.md)
SECRETS = {"regionlake-users", "regionlake-tls", "regionlake-cameras", "regionlake-ray-token", "regionlake-bucket"}


@cache
def ray_schema(kind: str) -> dict[str, Any]:
    """The schema of a kind of KubeRay, in which what is not declared is refused, as `kubectl --validate` does."""
    text = gzip.decompress((CRDS / f"ray.io_{kind.lower()}s.yaml.gz").read_bytes())
    definition = yaml.load(text, Loader=yaml.CSafeLoader)
    version = next(each for each in definition["spec"]["versions"] if each["name"] == "v1")
    return strict(version["schema"]["openAPIV3Schema"])  # type: ignore[no-any-return]


def strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", bool(made.get("x-kubernetes-preserve-unknown-fields")))
    if made.get("x-kubernetes-int-or-string"):
        made.pop("pattern", None)  # for strings alone
    return made


def validate(manifest: Manifest) -> None:
    if manifest["apiVersion"] == "ray.io/v1":
        schema = dict(ray_schema(manifest["kind"]))
        schema["properties"] = schema["properties"] | {"metadata": {"type": "object"}}
        jsonschema.Draft7Validator(schema).validate(manifest)
    else:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


@every_installation
def test_every_manifest_is_valid(name: str) -> None:
    for manifest in INSTALLATIONS[name]:
        validate(manifest)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", ["spec", "template", "spec", "containers", 0, "imagePullPolice"]),
        ("RayCluster", ["spec", "headGroupSpec", "rayStartParameters"]),
        ("RayCluster", ["spec", "workerGroupSpecs", 0, "template", "spec", "containers", 0, "imagePullPolice"]),
        ("RayCluster", ["spec", "authOptions", "token"]),
    ],
)
def test_a_field_that_does_not_exist_is_noticed(kind: str, path: list[str | int]) -> None:
    manifest = next(each for each in resolved(OVERLAYS[1]) if each["kind"] == kind)
    node: Any = manifest
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = "Always"
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        validate(manifest)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_overlays_are_what_kubectl_makes_of_them(folder: Path) -> None:
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    generated = r"regionlake-plan-[a-z0-9]{10}\b"
    text = re.sub(generated, "regionlake-plan", done.stdout)
    made = list(yaml.safe_load_all(text))

    def sorted_by_name(found: list[Manifest]) -> list[str]:
        return sorted(json.dumps(each, sort_keys=True) for each in found)

    assert sorted_by_name(made) == sorted_by_name(INSTALLATIONS[folder.name])


@every_installation
def test_containers_are_confined_and_state_what_they_need(name: str) -> None:
    found = [container for manifest in INSTALLATIONS[name] for container in containers(manifest)]
    assert found
    for container in found:
        assert container["image"] in ("regionlake:0.3.0", "regionlake:0.3.0-cuda"), container["name"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
    for pod in pods(INSTALLATIONS[name]):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


@every_installation
def test_what_pods_mount_and_read_is_made_by_somebody(name: str) -> None:
    found = INSTALLATIONS[name]
    claims = {each["metadata"]["name"] for each in found if each["kind"] == "PersistentVolumeClaim"}
    maps = {each["metadata"]["name"] for each in found if each["kind"] == "ConfigMap"}
    for pod in pods(found):
        volumes = {each["name"]: each for each in pod.get("volumes", ())}
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
            if "secret" in volume:
                assert volume["secret"]["secretName"] in SECRETS
        for container in pod["containers"]:
            mounts = {each["mountPath"] for each in container.get("volumeMounts", ())}
            assert {each["name"] for each in container.get("volumeMounts", ())} <= set(volumes)
            named = [each["secretRef"]["name"] for each in container.get("envFrom", ())]
            named += [
                each["valueFrom"]["secretKeyRef"]["name"] for each in container.get("env", ()) if "valueFrom" in each
            ]
            assert set(named) <= SECRETS
            if container["securityContext"].get("readOnlyRootFilesystem"):
                assert {"/tmp", "/var/lib/regionlake"} <= mounts


@every_installation
def test_ray_needs_its_token_and_is_the_locked_release(name: str) -> None:
    specs = [each["spec"] for each in INSTALLATIONS[name] if each["apiVersion"] == "ray.io/v1"]
    for spec in (spec.get("rayClusterSpec", spec) for spec in specs):
        assert spec["authOptions"] == {"mode": "token", "secretName": "regionlake-ray-token"}
        assert spec["rayVersion"] == lock("requirements.lock")["ray"]
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            (container,) = containers(group)
            assert "healthy.py" in str(container["livenessProbe"])
            assert "healthy.py" in str(container["readinessProbe"])


def test_the_plan_of_the_box_can_be_followed() -> None:
    plan = load_plan(OVERLAYS[0] / "plan.toml")
    assert plan.model == "google/siglip2-base-patch16-224"


def pods(node: object) -> list[dict[str, Any]]:
    """Every description of a pod below this node: what has containers."""
    if isinstance(node, list):
        return [pod for each in node for pod in pods(each)]
    if not isinstance(node, dict):
        return []
    if "containers" in node:
        return [node]
    return [pod for each in node.values() for pod in pods(each)]
