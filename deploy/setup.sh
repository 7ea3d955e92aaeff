#!/usr/bin/env bash
# Makes .venv with the pinned dependencies and this checkout; if it is up to date, nothing is done.
#   bash deploy/setup.sh          what `regionlake` needs
#   bash deploy/setup.sh test     also what the tests, the linters and the wheel need
# PYTHON names the interpreter (3.11 or newer); pip's own settings name the index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH=torch==2.13.0 # installed first, by itself: its build (CPU, CUDA) depends on the machine, the rest does not
LOCKS=(deploy/requirements.lock)
if [ "${1:-}" = test ]; then LOCKS+=(deploy/requirements-test.lock); fi

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

if ! .venv/bin/python -c '' 2>/dev/null; then
  python=$(find_python)
  echo "setup: making .venv with $("$python" -V)"
  "$python" -m venv --clear .venv
fi

stamp=.venv/.regionlake-setup
inputs=$(cat pyproject.toml deploy/setup.sh deploy/*.lock | cksum)
installed=$(cat "$stamp" 2>/dev/null || true)
# `test` installs everything that the plain set-up does
if [ "$installed" = "$inputs test" ] || [ "$installed" = "$inputs ${1:-}" ]; then exit 0; fi

install() { .venv/bin/python -m pip install -qq --disable-pip-version-check "$@"; } # -qq: errors only
echo "setup: installing $TORCH"
install "$TORCH" --constraint deploy/requirements.lock
echo "setup: installing $(cat "${LOCKS[@]}" | grep -c '==') pinned packages"
# --no-deps: scenedetect requires opencv-python, which would overwrite the contrib build of cv2
install --no-deps "${LOCKS[@]/#/--requirement=}"
install --no-deps --no-build-isolation --editable .
echo "$inputs ${1:-}" >"$stamp"
echo "setup: done"
