#!/usr/bin/env bash
# Validates an export by Label Studio's own library, in an environment of its own:
#   bash tests/pipeline/export/validators/label_studio.sh FOLDER
set -euo pipefail
folder=$(realpath "$1")
environment=${REGIONLAKE_VALIDATORS:-$HOME/.cache/regionlake/validators}/label-studio
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/python" -c 'import label_studio_sdk' 2>/dev/null || "$environment/bin/pip" install -q label-studio-sdk
"$environment/bin/python" - "$folder" <<'PY'
import json
import sys
from pathlib import Path

from label_studio_sdk.label_interface import LabelInterface

folder = Path(sys.argv[1])
interface = LabelInterface((folder / "label_config.xml").read_text())
interface.validate()
tasks = json.loads((folder / "tasks.json").read_text())
for task in tasks:
    # without its predictions: the library's own check of these calls itself with too few arguments
    interface.validate_task({"data": task["data"]})
    for prediction in task["predictions"]:
        if not interface.validate_prediction(prediction):
            sys.exit(f"{task['data']['image']}: a prediction is not valid: {prediction}")
regions = sum(len(each["result"]) for task in tasks for each in task["predictions"])
print(f"label-studio-sdk accepts {len(tasks)} tasks with {regions} regions")
PY
