"""Processes that do not outlive the one that started them, however that ends."""

import shutil
from collections.abc import Sequence


def bound(command: Sequence[str]) -> list[str]:
    """The command, killed when the thread that starts it ends; as it is where util-linux has no setpriv."""
    return [*(["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []), *command]
