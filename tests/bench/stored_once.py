"""Rows, bytes and CPU of videos that are ingested with and without `validity.store_once`, in the same run.

    python -m tests.bench.stored_once [--grid-s 60] [--night] VIDEO…

--night: also a night of three minutes that is made from the first frame of the first video: dark, with the noise of a
sensor, as H.264. Bytes are those of the tables `regions` and `frames` after small files were joined, for an hour of
video. CPU is that of this process and of its readers, and of them the time in which repeats were found and removed.
"""

import argparse
import resource
import subprocess
import tempfile
from pathlib import Path
from time import process_time

from pipeline.ingest.run import ingest
from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.compaction import fragment_bytes
from pipeline.lake.writing import completion
from pipeline.plan.plan_file import load_plan
from tests.bench.machine import processor

NIGHT = "eq=brightness=-0.35:contrast=0.6,noise=alls=6:allf=t"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--grid-s", type=float, default=60.0)
    parser.add_argument("--night", action="store_true")
    options = parser.parse_args()
    print(f"{processor()}; a grid of {options.grid_s:g} s")
    head = ("video", "stored", "keyframes/h", "regions/h", "regions, kB/h", "frames, kB/h", "CPU/keyframe", "of it")
    print(" | ".join(head))
    with tempfile.TemporaryDirectory() as folder:
        videos = [*([_night(options.videos[0], Path(folder))] if options.night else []), *options.videos]
        for video in videos:
            for once in (False, True):
                print(" | ".join(_row(video, Path(folder), once=once, grid_s=options.grid_s)))


def _night(video: Path, folder: Path) -> Path:
    still, made = folder / "still.png", folder / "night.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-i", video, "-frames:v", "1", still], check=True)
    looped = ["ffmpeg", "-v", "error", "-loop", "1", "-framerate", "10", "-t", "180", "-i", still]
    subprocess.run([*looped, "-vf", f"scale=1280:-2,{NIGHT}", "-crf", "30", "-pix_fmt", "yuv420p", made], check=True)
    return made


def _row(video: Path, folder: Path, *, once: bool, grid_s: float) -> list[str]:
    uri = str(folder / f"{video.stem}-{once}")
    plan = load_plan(overrides=[f"validity.store_once={str(once).lower()}", f"validity.grid_s={grid_s}"])
    real, spent = (completion.mark_repeats, completion.delete_repeats), [0.0]

    def timed(call):  # type: ignore[no-untyped-def]
        def run(*given: object, **named: object) -> None:
            began = process_time()
            call(*given, **named)
            spent[0] += process_time() - began

        return run

    completion.mark_repeats, completion.delete_repeats = map(timed, real)
    began = _cpu_s()
    report = ingest([str(video)], uri, plan)
    cpu_s = _cpu_s() - began
    completion.mark_repeats, completion.delete_repeats = real
    lake = Lake.open(uri)
    source = lake.read("sources").to_pylist()[0]
    hours = (source["stop"] - source["start"]) * source["time_base_num"] / source["time_base_den"] / 3600
    bytes_of = {}
    for name in ("regions", "frames"):
        data = lake.writable(name)
        data.optimize.compact_files(materialize_deletions=True, materialize_deletions_threshold=0.0)
        bytes_of[name] = sum(fragment_bytes(fragment) for fragment in Lake.open(uri).dataset(name).get_fragments())
    frames, regions = lake.count("frames"), lake.count("regions")
    return [
        video.name,
        "once" if once else "each time",
        f"{frames / hours:,.0f}",
        f"{regions / hours:,.0f}",
        *(f"{bytes_of[name] / hours / 1e3:,.0f}" for name in ("regions", "frames")),
        f"{1e3 * cpu_s / report.keyframes:.1f} ms",
        f"{1e3 * spent[0] / report.keyframes:.1f} ms",
    ]


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
