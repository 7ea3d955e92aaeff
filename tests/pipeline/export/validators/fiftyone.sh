#!/usr/bin/env bash
# Reads an export of `fiftyone`, and one of `coco` if given, by FiftyOne's own importers, in an environment of its own:
#   bash tests/pipeline/export/validators/fiftyone.sh FIFTYONE_FOLDER [COCO_FOLDER]
# The importers need no database, which FiftyOne would download when a data set is kept.
set -euo pipefail
environment=${REGIONLAKE_VALIDATORS:-$HOME/.cache/regionlake/validators}/fiftyone
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/python" -c 'import fiftyone.types, pycocotools' 2>/dev/null ||
  "$environment/bin/pip" install -q fiftyone pycocotools
FIFTYONE_DO_NOT_TRACK=true "$environment/bin/python" - "$@" <<'PY'
import json
import sys
from pathlib import Path

from fiftyone.utils.coco import COCODetectionDatasetImporter
from fiftyone.utils.data.importers import FiftyOneImageDetectionDatasetImporter

readers = (FiftyOneImageDetectionDatasetImporter, COCODetectionDatasetImporter)
for folder, reader in zip(sys.argv[1:], readers):
    stated = json.loads((Path(folder) / "labels.json").read_text())
    expected = sum(map(len, stated["labels"].values())) if "labels" in stated else len(stated["annotations"])
    found = pictures = 0
    with reader(folder) as importer:
        for path, _, label in importer:
            detections = label if label is None or hasattr(label, "detections") else label["detections"]
            pictures += Path(path).is_file()
            found += 0 if detections is None else len(detections.detections)
    if found != expected or not pictures:
        sys.exit(f"{folder}: FiftyOne found {found} of {expected} regions, and {pictures} pictures")
    print(f"FiftyOne reads {folder} by {reader.__name__}: {pictures} pictures with {found} regions")
PY
