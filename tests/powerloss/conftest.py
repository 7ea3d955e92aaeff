"""Fixtures of the tests of power cuts."""

from collections.abc import Iterator

import pytest

from tests.powerloss.calls.shim import Shim, build
from tests.powerloss.calls.victims import Victims


def _nothing(shim: Shim) -> None:
    del shim


@pytest.fixture(scope="session")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victims]:
    """Processes whose calls are recorded; a test that needs them is skipped where that is not possible."""
    folder = tmp_path_factory.mktemp("shim")
    try:
        library = build(folder)
    except OSError as error:
        pytest.skip(str(error))
    with Victims(library, folder) as started:
        try:
            started.run(_nothing)
        except OSError as error:
            pytest.skip(str(error))
        yield started
