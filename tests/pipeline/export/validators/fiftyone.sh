#!/usr/bin/env bash
# Opens an export of `fiftyone`, and one of `coco` if given, by FiftyOne itself, in an environment of its own:
#   bash tests/pipeline/export/validators/fiftyone.sh FIFTYONE_FOLDER [COCO_FOLDER]
set -euo pipefail
environment=${REGIONLAKE_VALIDATORS:-$HOME/.cache/regionlake/validators}/fiftyone
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/python" -c 'import fiftyone' 2>/dev/null || "$environment/bin/pip" install -q fiftyone
export FIFTYONE_DO_NOT_TRACK=true FIFTYONE_DATABASE_DIR="$environment/database"
"$environment/bin/python" - "$@" <<'PY'
import json
import sys
from pathlib import Path

import fiftyone

kinds = (fiftyone.types.FiftyOneImageDetectionDataset, fiftyone.types.COCODetectionDataset)
for folder, kind in zip(sys.argv[1:], kinds):
    dataset = fiftyone.Dataset.from_dir(dataset_dir=folder, dataset_type=kind)
    stated = json.loads((Path(folder) / "labels.json").read_text())
    expected = sum(map(len, stated["labels"].values())) if "labels" in stated else len(stated["annotations"])
    field = "ground_truth" if "ground_truth" in dataset.get_field_schema() else "detections"
    found = dataset.count(f"{field}.detections")
    if found != expected:
        sys.exit(f"{folder}: FiftyOne found {found} of {expected} regions")
    print(f"FiftyOne opens {folder} as {kind.__name__}: {len(dataset)} pictures with {found} regions")
PY
