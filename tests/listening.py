"""The addresses on which processes listen, for tests."""

from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path


def listening(pids: set[int]) -> set[tuple[str, int]]:
    """Addresses and TCP ports on which any of the processes listens; IPv4 within IPv6 is shown as IPv4."""
    sockets = {link for pid in pids for link in _links(pid) if link.startswith("socket:")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = words = line.split()
            if state == "0A" and f"socket:[{words[9]}]" in sockets:
                address, _, port = local.partition(":")
                found.add((_shown(address), int(port, 16)))
    return found


def descendants(pid: int) -> set[int]:
    """The process and all below it."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:  # it ended
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(status.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        found.add(waiting[-1])
        waiting += children.get(waiting.pop(), [])
    return found


def _links(pid: int) -> list[str]:
    links = []
    with suppress(OSError):  # the process ended
        for each in [*Path(f"/proc/{pid}/fd").iterdir()]:
            with suppress(OSError):  # the descriptor was closed, as that of this listing is
                links.append(str(each.readlink()))
    return links


def _shown(address: str) -> str:
    """Of the kernel's notation: words of 32 bits in the order of bytes of this machine, which is little-endian."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    found = ip_address(b"".join(words))
    within = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(within or found)
