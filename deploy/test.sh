#!/usr/bin/env bash
# Everything CI checks, in the order in which it fails fastest; further arguments go to pytest.
#   bash deploy/test.sh
#   bash deploy/test.sh -k search -x
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

summary=()
failed=0

step() { # step NAME COMMAND...: runs it, remembers how it ended, goes on
  local name=$1 began=$SECONDS outcome=ok
  shift
  printf '\n━━━ %s\n' "$name"
  "$@" || { outcome=FAILED failed=1; }
  summary+=("$(printf '%-16s %-6s %4d s' "$name" "$outcome" $((SECONDS - began)))")
}

pytest_here() { # without a GPU its tests are left out by name, not skipped one by one
  local without=()
  [ -e /dev/nvidiactl ] || without=(-m "not gpu")
  # Ray's workers are nice to others by default, and would wait for the tests beside them
  RAY_worker_niceness=0 .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder "${without[@]}" "$@"
}

step set-up bash deploy/setup.sh test
if [ $failed = 0 ]; then
  for tool in ffmpeg ffprobe; do
    command -v $tool >/dev/null || echo "note: $tool is not on PATH; the tests that need it will say so"
  done
  step "ruff check" .venv/bin/ruff check
  step "ruff format" .venv/bin/ruff format --check
  step mypy .venv/bin/mypy
  step "import contract" .venv/bin/lint-imports
  step wheel bash deploy/check_wheel.sh
  step pytest pytest_here "$@"
fi

printf '\n━━━ summary\n'
printf '%s\n' "${summary[@]}"
exit $failed
