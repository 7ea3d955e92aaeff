"""What 1,000 cameras or a million hours of archive need, computed from what one machine was measured to do.

    python -m tests.bench.scale [--cameras 1000] [--hours 1000000] [--set keyframe_every_s=0.5] [--constants]

Nothing is run: the constants, each with the command that measures it again, are in scale.toml. Everything is taken as
proportional, which holds for decoding and models (`python -m tests.live.soak`) and for exact search, and was not tried
beyond two cores. "of one" is the share of one machine that the demand takes; what is above 1 needs shards.
"""

import argparse
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

CONSTANTS = Path(__file__).with_suffix(".toml")
MEASURED_CORES = 2.0  # on which searches were measured
DAY_S, YEAR_H, MONTH_H, GB = 86_400.0, 8_766.0, 730.5, 1e9


@dataclass(frozen=True, slots=True)
class Demand:
    """What is needed of one resource.

    needs: how much, as text. of_one: the share of one machine, or of one lake's writer.
    """

    resource: str
    needs: str
    of_one: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What some work needs and costs.

    demands: of every resource. machines: of the assumed kind. usd: total cost, by what is paid for. per: the unit of
    work, of which there are `units`.
    """

    title: str
    demands: tuple[Demand, ...]
    machines: int
    usd: dict[str, float]
    per: str
    units: float

    @property
    def first(self) -> Demand:
        """What saturates first."""
        return max(self.demands, key=lambda demand: demand.of_one)

    @property
    def usd_per_unit(self) -> float:
        return sum(self.usd.values()) / self.units


def read_constants(changed: dict[str, float] | None = None) -> dict[str, float]:
    """The values by name. changed: values in place of those of the file. Raises KeyError for an unknown name."""
    tables = tomllib.loads(CONSTANTS.read_text())
    values = {name: float(row["value"]) for table in tables.values() for name, row in table.items()}
    for name, value in (changed or {}).items():
        if name not in values:
            raise KeyError(f"there is no constant {name}; there are {', '.join(sorted(values))}")
        values[name] = value
    return values


def of_cameras(cameras: int, c: dict[str, float]) -> Estimate:
    """What following so many cameras for ever needs. c: the constants."""
    keyframes_s = cameras / c["keyframe_every_s"]
    cores = cameras * c["frames_a_second"] * c["frame_cpu_ms"] / 1e3
    model_cores = keyframes_s * c["keyframe_cpu_ms"] / 1e3
    regions = keyframes_s * c["regions_a_keyframe"] * DAY_S * c["kept_days"]
    rows_gb = keyframes_s * c["keyframe_disk_bytes"] * DAY_S * c["kept_days"] / GB
    video_gb = cameras * c["video_mbit_s"] / 8 * DAY_S * c["video_days"] / 1e3
    own_cores, own_gb = c["machine_cores"] * c["use"], c["machine_memory_gb"] * c["use"]
    feeds_gb = cameras * c["feed_memory_bytes"] / GB
    followers = math.ceil(max((cores + model_cores) / own_cores, feeds_gb / own_gb))
    day = _search(regions / c["kept_days"], c)
    every = _search(regions, c)
    searchers = math.ceil(regions * c["region_memory_bytes"] / GB / own_gb)
    demands = (
        Demand("decoding", f"{cores:,.0f} cores", cores / own_cores),
        Demand("models", f"{model_cores:,.0f} cores, {keyframes_s:,.0f} keyframes a second", model_cores / own_cores),
        Demand("memory of decoders", f"{feeds_gb:,.0f} GB", feeds_gb / own_gb),
        # a follower commits all its feeds at once, so that commits grow with followers of one lake, not with cameras
        Demand(
            "one writer of one lake",
            f"{followers * c['commits_a_second']:,.0f} commits a second",
            followers * c["commits_a_second"] * c["commit_ms"] / 1e3,
        ),
        Demand(
            "search of all rows",
            f"{regions / 1e9:,.1f} billion regions, {every:,.0f} s on one machine",
            regions * c["region_memory_bytes"] / GB / own_gb,
        ),
        Demand(
            "search of one day",
            f"{day:,.1f} s on one machine",
            regions / c["kept_days"] * c["region_memory_bytes"] / GB / own_gb,
        ),
    )
    a_machine = c["machine_cores"] * c["core_hour_usd"] * YEAR_H
    usd = {
        "following": followers * a_machine,
        "search of all rows": searchers * a_machine,
        "rows": rows_gb * c["bucket_gb_month_usd"] * 12,
        "video": video_gb * c["disk_gb_month_usd"] * 12,
    }
    return Estimate(f"{cameras:,} cameras", demands, followers + searchers, usd, "camera and year", cameras)


def of_archive(hours: int, c: dict[str, float]) -> Estimate:
    """What so many hours of archive need: to be ingested once, and kept searchable for a month."""
    seconds = hours * 3600.0
    keyframes = seconds / c["keyframe_every_s"]
    read_h = seconds * c["frames_a_second"] * c["archive_frame_cpu_ms"] / 3.6e6
    model_h = keyframes * c["keyframe_cpu_ms"] / 3.6e6
    regions = keyframes * c["regions_a_keyframe"]
    rows_gb = keyframes * c["keyframe_disk_bytes"] / GB
    own_cores, own_gb = c["machine_cores"] * c["use"], c["machine_memory_gb"] * c["use"]
    in_time = c["archive_days"] * 24 * own_cores  # core hours of one machine
    memory = regions * c["region_memory_bytes"] / GB
    readers, searchers = math.ceil((read_h + model_h) / in_time), math.ceil(memory / own_gb)
    demands = (
        Demand("decoding", f"{read_h:,.0f} core hours", read_h / in_time),
        Demand("models", f"{model_h:,.0f} core hours, {keyframes / 1e6:,.0f} million keyframes", model_h / in_time),
        Demand("rows at rest", f"{rows_gb / 1e3:,.0f} TB", 0.0),
        Demand(
            "search of all rows",
            f"{regions / 1e9:,.1f} billion regions, {_search(regions, c):,.0f} s on one machine",
            memory / own_gb,
        ),
    )
    usd = {
        "ingest": (read_h + model_h) / c["use"] * c["core_hour_usd"],
        "rows, a month": rows_gb * c["bucket_gb_month_usd"],
        "search, a month": searchers * c["machine_cores"] * c["core_hour_usd"] * MONTH_H,
    }
    return Estimate(f"{hours:,} hours of archive", demands, readers + searchers, usd, "hour", hours)


def _search(regions: float, c: dict[str, float]) -> float:
    """Seconds of an exact search on one machine, all of whose cores compare."""
    return regions / 1e6 * c["search_ms_a_million"] / 1e3 * MEASURED_CORES / (c["machine_cores"] * c["use"])


def table(estimate: Estimate) -> str:
    lines = [f"| {estimate.title} | needs | of one |", "| --- | --- | --- |"]
    lines += [
        f"| {demand.resource} | {demand.needs} | {f'{demand.of_one:,.2f}' if demand.of_one else '–'} |"
        for demand in estimate.demands
    ]
    lines.append(f"| **first at its limit** | {estimate.first.resource} | {estimate.first.of_one:,.2f} |")
    lines.append(f"| **machines** | {estimate.machines:,} | |")
    digits = 3 if estimate.usd_per_unit < 10 else 0
    parts = ", ".join(f"{name} {usd / estimate.units:,.{digits}f}" for name, usd in estimate.usd.items())
    lines.append(f"| **$ for each {estimate.per}** | {estimate.usd_per_unit:,.2f}: {parts} | |")
    return "\n".join(lines)


def report(cameras: int, hours: int, c: dict[str, float]) -> str:
    archive = of_archive(hours, c)
    hosted = c["hosted_hour_usd"]
    times = hosted / archive.usd_per_unit
    once = archive.usd_per_unit - archive.usd["search, a month"] / archive.units
    beside = (
        f"A hosted service asks ${hosted:,.2f} for an hour of archive, {times:,.0f} times as much. "
        f"Ingested and stored, but searched by time and source alone, an hour costs ${once:,.3f}."
    )
    return "\n\n".join((table(of_cameras(cameras, c)), table(archive), beside))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=1_000_000)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another value of a constant")
    parser.add_argument("--constants", action="store_true", help="also print each constant with its source")
    options = parser.parse_args()
    try:
        changed = {name: float(value) for name, _, value in (each.partition("=") for each in options.set)}
        constants = read_constants(changed)
    except (KeyError, ValueError) as error:
        parser.error(str(error.args[0]))
    print(report(options.cameras, options.hours, constants))
    if options.constants:
        for kind, rows in tomllib.loads(CONSTANTS.read_text()).items():
            for name, row in rows.items():
                print(f"{kind} {name} = {constants[name]:g}: {row['means']}; {row.get('command', 'an assumption')}")


if __name__ == "__main__":
    main()
