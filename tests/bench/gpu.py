"""What one GPU makes of video, in one command of some ten minutes: decode, models, and a whole ingest.

    python -m tests.bench.gpu [CLIP...] [--seconds 60] [--encoder "SigLIP B/16"] [--detector "RT-DETR R50"]

Without clips, H.264 and HEVC of 1280×720 are made with ffmpeg. Each is decoded by PyAV on the CPU, and by the GPU's own
decoder (PyAV's hwaccel "cuda", without a fallback to software), to frames in the memory of the process. The models have
random weights and the shapes of the real ones, as in `tests.bench.models`, whose rows are printed: pictures a second of
the bare model and of the stage that holds it, and of a GPU its use. The first clip, repeated to `--seconds`, is then
ingested by `regionlake ingest` with both models, and the use of the GPU is sampled meanwhile. The end says what an
ingest is limited by, and what that means in hours of video a day and streams at their own speed, beside NVIDIA's
figures: 125 × real time for files, and 50 streams of RT-DETR on an H100.

On a machine without a GPU every column of a GPU is empty ("–"), and the figures are those of its CPU.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import torch
from av.codec.hwaccel import HWAccel

from tests.bench.models.__main__ import arguments as model_arguments
from tests.bench.models.__main__ import machine, measure
from tests.bench.models.entries import ENTRIES, Entry
from tests.bench.models.timing import watched_gpu

NVIDIA_FILES = 125.0  # × real time
NVIDIA_STREAMS = 50
NONE = "–"


@dataclass(frozen=True, slots=True)
class Decoding:
    """Frames a second of a clip, by the CPU and by the GPU's decoder; None where that cannot decode it, with `why`."""

    clip: str
    codec: str
    size: str
    rate: float
    cpu: float
    gpu: float | None
    why: str = ""

    def row(self) -> str:
        gpu = (NONE, NONE) if self.gpu is None else (f"{self.gpu:,.0f}", f"{self.gpu / self.rate:,.1f}")
        cells = (self.clip, self.codec, self.size, f"{self.cpu:,.0f}", f"{self.cpu / self.rate:,.1f}", *gpu, self.why)
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Ingest:
    """A whole ingest.

    seconds: of video. elapsed_s: of the ingest. stages: seconds of work of each. use: mean use of the GPU in per cent
    while it ran; None without one.
    """

    seconds: float
    elapsed_s: float
    keyframes: int
    stages: dict[str, float]
    use: float | None

    @property
    def times_real(self) -> float:
        return self.seconds / self.elapsed_s

    @property
    def bottleneck(self) -> str:
        """The stage that worked longest."""
        return max(self.stages, key=lambda stage: self.stages[stage])


def make_clips(folder: Path, *, seconds: float) -> list[Path]:
    made = []
    for codec in ("libx264", "libx265"):
        path = folder / f"{codec}.mp4"
        scene = f"testsrc2=size=1280x720:rate=25:duration={seconds},noise=alls=8:allf=t"
        options = ["-c:v", codec, "-preset", "veryfast", "-b:v", "4M", "-g", "50", "-pix_fmt", "yuv420p"]
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene, *options, str(path)], check=True)
        made.append(path)
    return made


def decoding(clip: Path, *, most_s: float) -> Decoding:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        rate, codec = float(stream.average_rate or 25), stream.codec_context.name
        size = f"{stream.width}×{stream.height}"
    cpu = _frames_a_second(clip, None, most_s=most_s)
    try:
        device = HWAccel("cuda", allow_software_fallback=False)
        return Decoding(clip.name, codec, size, rate, cpu, _frames_a_second(clip, device, most_s=most_s))
    except (RuntimeError, NotImplementedError, av.error.FFmpegError) as error:
        return Decoding(clip.name, codec, size, rate, cpu, None, str(error).splitlines()[0])


def _frames_a_second(clip: Path, device: HWAccel | None, *, most_s: float) -> float:
    """Frames of a clip, which is decoded again and again for at most `most_s`."""
    frames, began = 0, time.perf_counter()
    while True:
        with av.open(str(clip), hwaccel=device) as container:
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                frame.to_ndarray(format="nv12" if device is not None else None)  # in the memory of the process
                frames += 1
                if time.perf_counter() - began > most_s:
                    return frames / (time.perf_counter() - began)
        if time.perf_counter() - began > most_s / 2:
            return frames / (time.perf_counter() - began)


def entry_named(name: str) -> Entry:
    found = [entry for entry in ENTRIES if entry.name.lower() == name.lower()]
    if not found:
        raise SystemExit(f"there is no model {name}; there are {', '.join(entry.name for entry in ENTRIES)}")
    return found[0]


def ingested(clip: Path, folder: Path, models: Sequence[str]) -> Ingest:
    """models: options of `regionlake ingest` that name them."""
    command = [sys.executable, "-m", "deploy.cli.main", "ingest", str(clip), "--lake", str(folder / "lake"), "--json"]
    with watched_gpu() as samples:
        done = subprocess.run([*command, *models], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the ingest failed: {done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    with av.open(str(clip)) as container:
        seconds = (container.duration or 0) / av.time_base
    use = statistics.mean(use for use, _ in samples) if samples else None
    return Ingest(seconds, float(report["elapsed_s"]), report["keyframes"], report["seconds"], use)


def repeated(clip: Path, folder: Path, *, seconds: float) -> Path:
    with av.open(str(clip)) as container:
        times = max(1, round(seconds / max(0.1, (container.duration or 0) / av.time_base)))
    long = folder / f"long{clip.suffix if clip.suffix in ('.mp4', '.mkv') else '.mkv'}"
    command = ["ffmpeg", "-v", "error", "-stream_loop", str(times - 1), "-i", str(clip), "-c", "copy", "-an", str(long)]
    subprocess.run(command, check=True)
    return long


def conclusion(run: Ingest) -> list[str]:
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in run.stages.items())
    use = NONE if run.use is None else f"{run.use:.0f} %"
    return [
        f"a whole ingest: {run.seconds:.0f} s of video in {run.elapsed_s:.1f} s, {run.times_real:.1f} × real time, "
        f"{run.keyframes} keyframes; use of the GPU {use}",
        f"limited by {run.bottleneck}: {stages}",
        f"| | {card or 'a GPU'} | this CPU | NVIDIA |",
        "| --- | --- | --- | --- |",
        _last("files, × real time", run.times_real, f"{NVIDIA_FILES:g}", on_gpu=card is not None),
        _last("hours of video a day", run.times_real * 24, f"{NVIDIA_FILES * 24:,.0f}", on_gpu=card is not None),
        _last("streams at their own speed", run.times_real, f"{NVIDIA_STREAMS} on an H100", on_gpu=card is not None),
        *([] if card else ["There was no GPU on this machine, so every column of a GPU is empty."]),
    ]


def _last(what: str, value: float, theirs: str, *, on_gpu: bool) -> str:
    ours = (f"{value:,.1f}", NONE) if on_gpu else (NONE, f"{value:,.1f}")
    return f"| {what} | {' | '.join(ours)} | {theirs} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of video that is ingested, and at most of a decoding"
    )
    parser.add_argument("--encoder", default="SigLIP B/16", help="a name of tests.bench.models")
    parser.add_argument("--detector", default="RT-DETR R50", help="the same; an empty one for the default proposals")
    parser.add_argument("--layers", type=int, default=12, help="of plain ViTs")
    parser.add_argument("--frames", type=int, default=8, help="of a packet for the models")
    parser.add_argument("--regions", type=int, default=32, help="of each of these frames")
    options = parser.parse_args()
    encoder = entry_named(options.encoder)
    detector = entry_named(options.detector) if options.detector else None
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = options.clips or make_clips(folder, seconds=min(20.0, options.seconds))
        print("| clip | codec | size | CPU, frames/s | × real time | GPU, frames/s | × real time | |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for clip in clips:
            print(decoding(clip, most_s=min(20.0, options.seconds)).row(), flush=True)
        shape = ["--frames", str(options.frames), "--regions", str(options.regions), "--layers", str(options.layers)]
        given = model_arguments(shape)
        models: list[str] = []
        print("model, pictures, bare/s, stage/s, ratio, by CPU time; of a GPU also batch, use in %, MiB")
        for entry in (encoder, detector):
            if entry is not None:
                made = folder / ("encoder" if entry is encoder else "detector")
                print(measure(entry, given, made), flush=True)
                if entry.write is not None:
                    option = ["--model"] if entry is encoder else ["--proposer", "detector", "--set"]
                    models += [*option, str(made) if entry is encoder else f"proposals.detector.model={made}"]
        long = repeated(clips[0], folder, seconds=options.seconds)
        print("\n".join(conclusion(ingested(long, folder, models))))


if __name__ == "__main__":
    main()
