"""A wall clock for some processes that can be set while they run, without changing that of the machine."""

import shutil
import subprocess
from pathlib import Path

_SHIM = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """The wall clock of processes that are started with `environment`; their monotonic clock is not changed.

    Raises OSError if there is no C compiler.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise OSError("no C compiler, so no clock that can be set; apt-get install gcc libc6-dev")
        library = folder / "wall_clock.so"
        command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(_SHIM), "-ldl"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            raise OSError(f"no clock that can be set: {built.stderr.strip()[-500:]}")
        self._shift = folder / "shift"
        self.set(0)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK_SHIFT": str(self._shift)}

    def set(self, ahead_s: int) -> None:
        """Sets the difference to the machine's clock, from now on."""
        with self._shift.open("r+b" if self._shift.exists() else "wb") as file:
            file.write(ahead_s.to_bytes(8, "little", signed=True))
