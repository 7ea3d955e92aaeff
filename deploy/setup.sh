#!/usr/bin/env bash
# Makes .venv with the pinned dependencies and this checkout; if it is up to date, nothing is done.
#   bash deploy/setup.sh          what `regionlake` needs
#   bash deploy/setup.sh demo     also the clip of deploy/demo.sh
#   bash deploy/setup.sh test     also what the tests, the linters and the wheel need
# PYTHON names the interpreter (3.11 or newer); pip's own settings name the index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LOCKS=(deploy/locks/requirements.lock)
if [ "${1:-}" = demo ]; then LOCKS+=(deploy/locks/requirements-demo.lock); fi
if [ "${1:-}" = test ]; then LOCKS+=(deploy/locks/requirements-test.lock); fi

fail() {
  echo "setup: $*" >&2
  exit 1
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    # it is run, as a name on PATH may be a shim for a version that is not installed
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  fail "needs Python 3.11 or newer with the venv module; tried: ${PYTHON:-python3.11 python3.12 python3.13 python3}." \
    "Install it (Debian: apt-get install python3 python3-venv), or name an interpreter: PYTHON=/path/to/python3.11 bash deploy/setup.sh"
}

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then # also one whose making was interrupted
  python=$(find_python)
  echo "setup: making .venv with $("$python" -V)"
  "$python" -m venv --clear .venv
fi

# TypeScript, which checks the types of the page's scripts; nothing else needs Node, and without it the check is skipped
page_types=tests/deploy/server/page/types
if [ "${1:-}" = test ] && command -v npm >/dev/null && ! [ $page_types/node_modules/.package-lock.json -nt $page_types/package-lock.json ]; then
  echo "setup: installing TypeScript, pinned by its hash"
  if npm ci --prefix $page_types --ignore-scripts --no-audit --no-fund --loglevel error; then
    touch $page_types/node_modules/.package-lock.json
  else
    echo "setup: TypeScript could not be installed, so the types of the page's scripts will not be checked" >&2
  fi
fi

stamp=.venv/.regionlake-setup
inputs=$(cat pyproject.toml deploy/setup.sh deploy/locks/*.lock | cksum)
installed=$(cat "$stamp" 2>/dev/null || true)
# `test` installs everything that the plain set-up does
if [ "$installed" = "$inputs test" ] || [ "$installed" = "$inputs ${1:-}" ]; then exit 0; fi

# -qq: errors only; --no-compile: pip compiles one file after the other, also those that nothing here imports
install() { .venv/bin/python -m pip install -qq --no-compile --disable-pip-version-check "$@"; }
# --no-deps: the locks name every package, and leave out some that others require (deploy/locks/lock-excludes.txt);
# wheels alone: what builds a source package would come without a hash
install_locked() { install --no-deps --require-hashes --only-binary :all: "${@/#/--requirement=}"; }
install_torch() { # by itself: which of its builds is taken depends on the indexes of pip's settings
  install_locked deploy/locks/requirements-torch-cpu.lock 2>/dev/null || {
    echo "setup: no index has a build of torch for CPUs whose hash is locked, so the general one is installed"
    install_locked deploy/locks/requirements-torch.lock
  }
}
echo "setup: installing torch and $(cat "${LOCKS[@]}" | grep -c '==') pinned packages"
installs=()
trap 'for one in "${installs[@]}"; do kill -- "-$one" 2>/dev/null; done' EXIT
set -m # a process group each, so that Ctrl-C ends them too
install_torch </dev/null & # side by side, as each unpacks on one core; no package is in two of the locks
installs+=($!)
for lock in "${LOCKS[@]}"; do
  install_locked "$lock" </dev/null &
  installs+=($!)
done
set +m
for one in "${installs[@]}"; do wait "$one" || fail "pip could not install everything; its errors are above"; done
installs=()
if .venv/bin/python - <<'PY'; then install_locked deploy/locks/requirements-cuda.lock; fi
import sys
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement

needed = [each for each in map(Requirement, requires("torch") or []) if each.name.startswith("nvidia-")]
sys.exit(not any(each.marker is None or each.marker.evaluate({"extra": ""}) for each in needed))
PY
install --no-deps --no-build-isolation --editable .
# on all cores; what is excluded is compiled when something imports it, but not in a reader, which writes no files
.venv/bin/python -m compileall -qq -j 0 -x '/(tests|sympy|transformers/models|ray/rllib|pip)/' .venv/lib/python3*/site-packages ||
  true # two files of scikit-video are Python 2
echo "$inputs ${1:-}" >"$stamp"
echo "setup: done"
