"""Catches a container's memory limit that is ignored, and caches that are counted as memory in use."""

from pathlib import Path

from operators.checkpoints.free_memory import free_bytes

MIB = 1 << 20


def machine(folder: Path, *, available_kib: int, limit: str | None = None, used: int = 0, cached: int = 0) -> int:
    (folder / "meminfo").write_text(f"MemTotal: 999 kB\nMemFree: 1 kB\nMemAvailable: {available_kib} kB\n")
    if limit is not None:
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\nactive_file 7\n")
    return free_bytes(meminfo=folder / "meminfo", cgroup=folder)


def test_what_caches_would_give_back_is_free(tmp_path: Path) -> None:
    assert machine(tmp_path, available_kib=4096) == 4 * MIB


def test_a_container_has_no_more_than_its_limit(tmp_path: Path) -> None:
    assert machine(tmp_path, available_kib=8192, limit=str(6 * MIB), used=5 * MIB, cached=2 * MIB) == 3 * MIB
    assert machine(tmp_path, available_kib=1024, limit=str(6 * MIB), used=0) == MIB
    assert machine(tmp_path, available_kib=8192, limit=str(6 * MIB), used=7 * MIB) == 0
    assert machine(tmp_path, available_kib=8192, limit="max", used=7 * MIB) == 8 * MIB


def test_this_machine_has_some() -> None:
    assert free_bytes() > MIB
