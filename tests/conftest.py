"""Fixtures for every test: the folder of real clips, and what fails loudly when it is absent."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real clips with ground truth: $REGIONLAKE_TEST_DATA, or `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("REGIONLAKE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set REGIONLAKE_TEST_DATA to the folder of pets09-s2l1 and others")
    return folder
