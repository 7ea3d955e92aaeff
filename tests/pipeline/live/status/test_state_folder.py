"""The folder beside a lake: catches rows and counts that another user could have put there."""

import os
from pathlib import Path

import pytest

from pipeline.live.status.state_folder import StateFolder
from schemas.errors import LakeError


def test_the_folder_is_made_for_its_user_alone(tmp_path: Path) -> None:
    state = StateFolder.of(str(tmp_path / "lake"))
    state.make_own()
    state.make_own()
    assert state.path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("which", ["path", "spool", "refused"])
def test_a_folder_that_others_may_write_or_own_is_refused(
    tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateFolder.of(str(tmp_path / "lake"))
    state.make_own()
    folder: Path = getattr(state, which)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o757)
    with pytest.raises(LakeError, match=r"cannot be trusted: .* can be written by others.*chmod go-w"):
        state.make_own()
    folder.chmod(0o700)
    state.make_own()
    if os.geteuid() == 0:
        os.chown(folder, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(LakeError, match="belongs to the user"):
        state.make_own()
