#!/usr/bin/env bash
# Exports from a lake, and opens each export by the tool that it is for, in an environment of its own:
#   bash tests/pipeline/export/validators/validate.sh LAKE [QUERY AND OPTIONS OF `regionlake export`]
# Environments are made once, in REGIONLAKE_VALIDATORS (~/.cache/regionlake/validators). It ends with 1 at the first difference.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
environments=${REGIONLAKE_VALIDATORS:-$HOME/.cache/regionlake/validators}
lake=${1:?give a lake, and perhaps a query: validate.sh demo/lake \"a bicycle\"}
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run_by() { # TOOL SCRIPT ARGUMENTS…: runs a script in the environment of a tool
  local python=$environments/$1/bin/python wanted=$here/$1.txt
  if ! cmp -s "$wanted" "$environments/$1/installed.txt"; then
    python3 -m venv "$environments/$1"
    "$python" -m pip install -q -r "$wanted"
    cp "$wanted" "$environments/$1/installed.txt"
  fi
  env -u PYTHONPATH FIFTYONE_DO_NOT_TRACK=true "$python" "$here/$2" "${@:3}"
}

for format in coco fiftyone label-studio; do
  regionlake export "$format" "$@" --lake "$lake" --out "$folder/$format"
done
run_by fiftyone open_by_fiftyone.py "$folder/fiftyone" "$folder/coco"
run_by label-studio open_by_label_studio.py "$folder/label-studio" "$folder/coco"
