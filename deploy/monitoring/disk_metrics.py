"""Metrics of the disks that a lake needs: how much room is left."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.lake.local_folder import local_folder
from pipeline.live.status.state_folder import StateFolder


def disks_of(lake: str) -> dict[str, Path]:
    """The folders that a lake fills, by what they hold: "lake" (not of one in a bucket), "state", "video"."""
    folder, state = local_folder(lake), StateFolder.of(lake).path
    found = {} if folder is None else {"lake": folder}
    return {**found, "state": state, "video": state / "video"}


class DiskCollector(Collector):
    """Room on the disks of these folders, by what they hold. A folder that is not there yet is on its parent's disk."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = dict(folders)

    def collect(self) -> Iterator[Metric]:
        free = GaugeMetricFamily("regionlake_disk_free_bytes", "Room that is left to this user.", labels=["holds"])
        size = GaugeMetricFamily("regionlake_disk_size_bytes", "Size of the disk.", labels=["holds"])
        for holds, folder in self._folders.items():
            existing = next((each for each in (folder, *folder.absolute().parents) if each.exists()), None)
            if existing is not None:
                usage = shutil.disk_usage(existing)  # `free` is what is left to users other than root
                free.add_metric([holds], usage.free)
                size.add_metric([holds], usage.total)
        yield from (free, size)

    def describe(self) -> list[Metric]:
        return []
