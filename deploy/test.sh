#!/usr/bin/env bash
# Runs everything that CI checks; further arguments are passed to pytest.
#   bash deploy/test.sh
#   bash deploy/test.sh -k search -x
#   bash deploy/test.sh --quick       the core in two minutes, to run while editing
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# compiled once, instead of by each of the hundreds of processes that the tests start
unset PYTHONDONTWRITEBYTECODE
# several tests run at once: more threads would only wait for each other
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

# --quick: folders of the core, without tests that need clusters or data sets, or that take a minute
QUICK=(tests/schemas tests/operators/{keyframes,masks,motion,ranking,tracking} tests/pipeline/{plan,lake,search,watch})
quick=
if [ "${1:-}" = --quick ]; then
  quick=1
  shift
fi

summary=()
failed=0
outputs=$(mktemp -d)
jobs=()
leave() { # background jobs end with this script, also after Ctrl-C
  local job
  for job in "${jobs[@]}"; do kill -- "-$job" 2>/dev/null; done
  rm -rf "$outputs"
}
trap leave EXIT

headline() { printf '\n━━━ %s\n' "$1"; }

SKIPPED=77 # the status of a step that cannot be done here, and says why
ended() { # ended NAME STATUS SECONDS
  local outcome=ok
  case $2 in
    0) ;;
    $SKIPPED) outcome=skipped ;;
    *) outcome=FAILED failed=1 ;;
  esac
  summary+=("$(printf '%-16s %-7s %4d s' "$1" "$outcome" "$3")")
}

step() { # step NAME COMMAND...: runs the command, remembers its status, and continues
  local name=$1 began=$SECONDS status
  shift
  headline "$name"
  "$@"
  status=$?
  ended "$name" $status $((SECONDS - began))
}

beside() { # beside NAME COMMAND...: starts it in the background, as most tests wait for a process
  local name=$1
  shift
  set -m # a process group of its own, which can be killed
  {
    local began=$SECONDS
    "$@" >"$outputs/$name" 2>&1 </dev/null
    echo $? $((SECONDS - began)) >"$outputs/$name.ended"
  } &
  jobs+=($!)
  set +m
}

collect() { # collect NAME...: shows the output of background jobs in this order, each like a step
  local name status seconds
  wait
  for name in "$@"; do
    headline "$name"
    cat "$outputs/$name"
    read -r status seconds <"$outputs/$name.ended"
    ended "$name" "$status" "$seconds"
  done
}

PAGE_TYPES=tests/deploy/server/page/types
page_types() {
  command -v node >/dev/null && [ -x $PAGE_TYPES/node_modules/.bin/tsc ] || {
    echo "skipped: the types of the page's scripts are not checked, as there is no Node with npm (Debian: apt-get install nodejs npm)"
    return $SKIPPED
  }
  $PAGE_TYPES/node_modules/.bin/tsc --project $PAGE_TYPES
}

pytest_here() {
  local markers=
  [ -z "$quick" ] || markers+=" and not ray and not data and not slow"
  [ -e /dev/nvidiactl ] || markers+=" and not gpu" # deselected by name, not skipped one by one
  # by default Ray's workers have a low priority, and would wait for the other tests
  RAY_worker_niceness=0 .venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "${markers# and }" "$@"
}

step set-up bash deploy/setup.sh test
if [ $failed = 0 ]; then
  for tool in ffmpeg ffprobe; do
    command -v $tool >/dev/null || echo "note: $tool is not on PATH; the tests that need it will fail"
  done
  step "ruff check" .venv/bin/ruff check
  step "ruff format" .venv/bin/ruff format --check
  step licences bash -c '.venv/bin/pip-licenses >/dev/null'
  beside mypy .venv/bin/mypy
  beside "page types" page_types
  beside "import contract" .venv/bin/lint-imports
  if [ -n "$quick" ]; then
    step pytest pytest_here "${QUICK[@]}" "$@"
    collect mypy "page types" "import contract"
  else
    beside wheel bash deploy/check_wheel.sh
    step pytest pytest_here "$@"
    collect mypy "page types" "import contract" wheel
  fi
fi

headline summary
printf '%s\n' "${summary[@]}"
exit $failed
