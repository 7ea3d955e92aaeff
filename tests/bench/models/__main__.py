"""Pictures a second of each model inside the pipeline, compared with the bare model in a loop in the same run.

    python -m tests.bench.models [--only everyday] [--frames 4] [--regions 64] [--rounds 3] [--layers 12] [--compile]

A packet of keyframes with their regions passes through the stage that holds the model (EmbedStage, ProposeStage), from
pixels to finished rows or proposals, including preprocessing, pooling, projection, thumbnails and tables. The inputs of
the model are recorded. Then the bare model gets the same inputs: in batches of the size that was fastest in an earlier
trial, for each shape, and, as a trial may mislead, in the batches of the stage; the better of both counts. All take
turns. Printed are the medians of pictures a second (every crop, frame and map that the model received is a picture,
and so is every prompt that a mask decoder answered), and the ratio of bare time to stage time, by the clock and by CPU
time, which other work on the machine disturbs less. A ratio of 1 means that the pipeline costs nothing.

Checkpoints have random weights and the shapes of the real ones, written to a folder that is deleted at the end.
On a GPU there are three more columns: the batch size that the pipeline chose, the use of the GPU in the stage's rounds
(the share of time in which any kernel ran, by nvidia-smi), and the peak memory.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers as t

from pipeline.ingest.packets import FramePacket
from pipeline.ingest.stages import EmbedStage, ProposeStage
from tests.bench.models.entries import ENTRIES, Entry
from tests.bench.models.given import Part, recorded, taken
from tests.bench.models.packets import packets_of
from tests.bench.models.timing import timed, watched_gpu, with_best_batch

CPU_SIZES = (1, 2, 4, 8, 16, 32, 64)
GPU_SIZES = (*CPU_SIZES, 128, 256, 512)


def machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    card = f"{torch.cuda.get_device_name()}, bfloat16" if torch.cuda.is_available() else "no GPU, float32"
    versions = f"torch {torch.__version__}, transformers {t.__version__}"
    return (
        f"{(models or [platform.machine()])[0]}, {cores} cores, load {os.getloadavg()[0]:.1f}; {card}; {versions}; "
        f"{time.strftime('%Y-%m-%d')}"
    )


def measure(entry: Entry, args: argparse.Namespace, folder: Path) -> str:
    """Measures an entry, and returns its line of the table."""
    on_gpu = torch.cuda.is_available()
    if entry.write is not None:
        torch.manual_seed(0)
        folder.mkdir()
        entry.write(folder, args.layers)
    plan = entry.plan(str(folder))
    if args.mode is not None:
        plan = replace(plan, regions=replace(plan.regions, mode=args.mode))
    stage: Any = entry.stage(plan)
    frames = min(args.frames, entry.frames)
    packets: list[Any] = list(packets_of(frames, args.regions, width_px=args.width, height_px=args.height))
    if isinstance(stage, ProposeStage):
        packets = [FramePacket(packet.head, packet.keyframes) for packet in packets]
    with torch.inference_mode():
        stage(packets)  # initialises the model, and finds the batch size that memory allows
        own = list(recorded(stage, packets, entry.calls(stage)))
        sizes, most = (GPU_SIZES, 1024) if on_gpu else (CPU_SIZES, 32)
        best = [with_best_batch(part, sizes=sizes, most=most) for part in own]
        times: dict[str, list[tuple[float, float]]] = {"best": [], "own": [], "stage": []}
        samples: list[tuple[float, float]] = []
        for _ in range(args.rounds):
            times["best"].append(timed(lambda: [part.run() for part in best]))
            times["own"].append(timed(lambda: [part.run() for part in own]))
            with watched_gpu() as seen:
                times["stage"].append(timed(lambda: stage(packets)))
            samples += seen
        compiled = compiled_row(best, rounds=args.rounds) if args.compile and entry.write is not None else ""
    middle = {way: [statistics.median(column) for column in zip(*rounds, strict=True)] for way, rounds in times.items()}
    bare_s, bare_cpu_s = (min(pair) for pair in zip(middle["best"], middle["own"], strict=True))
    stage_s, stage_cpu_s = middle["stage"]
    images = sum(map(len, best))
    row = (
        f"{entry.name:<16}{images:>7}{images / bare_s:>10.2f}{images / stage_s:>10.2f}{bare_s / stage_s:>8.2f}"
        f"{bare_cpu_s / stage_cpu_s:>8.2f}"
    )
    if on_gpu:
        batches = getattr(getattr(stage, "_encoder", None), "_batches", None)
        use, memory = zip(*samples, strict=True) if samples else ((0.0,), (0.0,))
        row += f"{batches.size if batches else '–':>7}{statistics.mean(use):>6.0f}{max(memory):>8.0f}"
    row += "   " + ", ".join(f"{len(part)} of {part.shape} by {part.batch} or {part.own}" for part in best)
    if isinstance(stage, EmbedStage):
        stage.close()
    return f"{row}\n{'':16}{compiled}" if compiled else row


def compiled_row(parts: Sequence[Part], *, rounds: int) -> str:
    """The largest part with torch.compile, compared in turns with the same part without it."""
    part = max(parts, key=len)
    rows = max(1, len(part) // part.batch) * part.batch  # whole batches
    eager = replace(part, inputs=taken(part.inputs, slice(rows)))
    made = replace(eager, model=torch.compile(part.model))
    wait_s, _ = timed(replace(made, inputs=taken(part.inputs, slice(part.batch))).run)
    pairs = [(timed(eager.run), timed(made.run)) for _ in range(rounds)]
    clock, cpu = (statistics.median(a[i] for a, _ in pairs) / statistics.median(b[i] for _, b in pairs) for i in (0, 1))
    return f"torch.compile: {clock:.2f} times as fast ({cpu:.2f} by CPU time), after {wait_s:.0f} s of compiling"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="entries whose name holds this; several times")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--regions", type=int, default=64, help="of each frame")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--layers", type=int, default=12, help="of plain ViTs; fewer are quicker, and harder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", choices=["both", "crop", "pool"], help="how regions become vectors")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile of checkpoints as well")
    return parser.parse_args(argv)


def main() -> None:
    args = arguments()
    t.utils.logging.disable_progress_bar()
    print(f"{machine()}; {args.frames} frames of {args.width}×{args.height} with {args.regions} regions, ", end="")
    print(f"{args.layers} layers, medians of {args.rounds} rounds in turns")
    head = f"{'model':<16}{'images':>7}{'bare/s':>10}{'stage/s':>10}{'ratio':>8}{'by CPU':>8}"
    print(head + (f"{'batch':>7}{'SM %':>6}{'MiB':>8}" if torch.cuda.is_available() else "") + "   model inputs")
    with tempfile.TemporaryDirectory() as scratch:
        for n, entry in enumerate(ENTRIES):
            if not args.only or any(word.lower() in entry.name.lower() for word in args.only):
                print(measure(entry, args, Path(scratch) / str(n)), flush=True)


if __name__ == "__main__":
    main()
