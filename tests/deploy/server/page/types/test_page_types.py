"""Catches a field of the service's answers that was renamed while the page reads the old name, and a check of types
that finds nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.server.page.types.openapi_types import TYPES, declarations, described

FOLDER = TYPES.parent
ROOT = Path(__file__).parents[5]
TSC = FOLDER / "node_modules" / ".bin" / "tsc"


def test_the_types_are_those_of_the_openapi() -> None:
    hint = "run: python -m tests.deploy.server.page.types.openapi_types"
    assert TYPES.read_text(encoding="utf-8") == declarations(described()), hint


def test_a_field_that_the_service_renames_is_an_error_where_the_page_reads_it(tmp_path: Path) -> None:
    if not TSC.exists() or shutil.which("node") is None:
        pytest.skip(
            "there is no Node with npm to check types with; run: apt-get install nodejs npm; bash deploy/setup.sh test"
        )
    page, types = Path("deploy/server/page/js"), FOLDER.relative_to(ROOT)
    shutil.copytree(ROOT / page, tmp_path / page)
    (tmp_path / types).mkdir(parents=True)
    shutil.copy(FOLDER / "tsconfig.json", tmp_path / types)
    renamed = TYPES.read_text(encoding="utf-8").replace("    newest_frame:", "    latest_frame:")
    (tmp_path / types / TYPES.name).write_text(renamed, encoding="utf-8")
    ended = subprocess.run(
        [TSC, "--project", tmp_path / types], capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode != 0
    wrong = {line.split("(")[0].rpartition("/js/")[2] for line in ended.stdout.splitlines() if "'newest_frame'" in line}
    assert {"lake.js", "search/where.js", "live/tile.js"} <= wrong
