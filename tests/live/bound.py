"""Child processes that end with their parent, even if it is killed."""

import shutil
from collections.abc import Sequence


def bound(command: Sequence[str]) -> list[str]:
    """Makes a command that is killed when the thread that starts it ends; unchanged if util-linux has no setpriv."""
    return [*(["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []), *command]
