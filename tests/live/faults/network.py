"""A network namespace for a server, behind a pair of veth devices, whose packets can be lost or delayed."""

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.live.bound import bound

_TOOLS = ("ip", "nft", "nsenter", "setpriv", "tc", "unshare")
_BITS_PER_PICTURE = 100_000  # the highest rate of the clips


class Network:
    """The machine reaches it at `host`. It vanishes when its holder process dies, which ends with this process.

    Raises OSError if namespaces are not allowed, or a tool is missing.
    """

    def __init__(self) -> None:
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            raise OSError(f"{', '.join(missing)} is not installed")
        ours = theirs = Path("/proc/self/ns/net").readlink()
        self._holder = subprocess.Popen(bound(["unshare", "-n", "sleep", "infinity"]))
        inside = f"/proc/{self._holder.pid}/ns/net"
        until = time.monotonic() + 5
        try:
            while theirs == ours:
                if self._holder.poll() is not None or time.monotonic() > until:
                    raise OSError("no namespace can be made")
                time.sleep(0.02)
                theirs = Path(inside).readlink()
            self.command = ["nsenter", f"--net={inside}"]
            link, net = f"live{self._holder.pid}", f"10.213.{random.randrange(256)}"
            self.host = f"{net}.2"
            _run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
            _run("ip", "addr", "add", f"{net}.1/30", "dev", link)
            _run("ip", "link", "set", link, "up")
            for command in (f"ip addr add {self.host}/30 dev eth0", "ip link set eth0 up", "ip link set lo up"):
                _run(*self.command, *command.split())
        except BaseException:
            self.close()
            raise

    def lose(self, share: float) -> None:
        """Loses this share of the packets in each direction, at random; with 1.0 all are lost, without errors."""
        rule = f"numgen random mod 1000 < {round(share * 1000)} drop" if share < 1 else "drop"
        for chain, hook in (("in", "input"), ("out", "output")):
            for part in (
                "add table inet faults",
                f"add chain inet faults {chain} {{ type filter hook {hook} priority 0; }}",
                f"add rule inet faults {chain} {rule}",
            ):
                _run(*self.command, "nft", part)

    def congest(self, bits_per_s: int) -> None:
        """Limits the bandwidth; packets beyond it wait for up to two seconds, and are then lost."""
        shape = f"tc qdisc add dev eth0 root tbf rate {bits_per_s} burst {_BITS_PER_PICTURE // 8} latency 2s"
        _run(*self.command, *shape.split())

    def heal(self) -> None:
        _run(*self.command, "nft", "flush", "ruleset")
        subprocess.run([*self.command, *"tc qdisc del dev eth0 root".split()], capture_output=True, check=False)

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


@contextmanager
def network() -> Iterator[Network | None]:
    """Yields None, and prints the reason, if this machine does not allow it."""
    try:
        made = Network()
    except OSError as error:
        print(f"no network namespace: {error}; its faults are skipped")
        yield None
        return
    try:
        yield made
    finally:
        made.close()
