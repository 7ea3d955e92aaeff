"""Pictures a second of each model inside the pipeline, beside the bare model called in a loop, in the same run.

    python -m tests.bench.models [--only everyday] [--frames 4] [--regions 64] [--rounds 3] [--compile]

A packet of keyframes with their regions goes through the stage that holds the model (EmbedStage, ProposeStage): pixels
in, finished rows or proposals out; preprocessing, pooling, projection, thumbnails and tables count as inside. What the
model itself was given on that way is kept as tensors. The bare model then gets the same tensors, and nothing else is
done: in batches of the size that was fastest for it in a trial before, shape by shape, and, as a trial may mislead, in
those that the stage made; the better of both counts. All take turns; printed are the
medians of pictures a second (every crop, frame and map that the model saw is a picture) and bare time over stage time,
by the clock and by CPU time, which other work on the machine disturbs less. 1 is a pipeline that costs nothing.

Checkpoints have random weights and the shapes of the real ones, written to a folder that is deleted at the end.
On a GPU three columns more: the batch that the pipeline found, how busy the GPU was in the stage's rounds (the share of
time in which any kernel ran, by nvidia-smi), and the most memory that was in use.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as t
from PIL import Image

from operators.proposals.detector import DetectorConfig
from operators.proposals.proposer import ProposalConfig
from pipeline.packets import FramePacket, PacketHead, ProposalPacket
from pipeline.plan import Plan
from pipeline.stages import EmbedStage, ProposeStage
from schemas.boxes import Boxes
from schemas.clock import Clock, Span
from schemas.frames import ImageArray, Keyframe
from schemas.regions import Proposals
from schemas.sources import Segment, Source
from tests.checkpoints import PIXELS, TEXT, write_tokenizer

Calls = list[tuple[Any, str]]  # objects and the names of their methods that are the bare model
Stage = EmbedStage | ProposeStage

SMALL_TEXT = TEXT | {"hidden_size": 64, "num_hidden_layers": 1}  # no text is read here
BASE = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "image_size": 224}


def clip_b32(folder: Path, layers: int) -> None:
    vision = BASE | {"patch_size": 32, "num_hidden_layers": layers}
    t.CLIPModel(t.CLIPConfig(vision_config=vision, text_config=SMALL_TEXT, projection_dim=512)).save_pretrained(folder)
    write_tokenizer(folder)


def siglip_b16(folder: Path, layers: int) -> None:
    vision = BASE | {"patch_size": 16, "num_hidden_layers": layers}
    t.SiglipModel(t.SiglipConfig(vision_config=vision, text_config=SMALL_TEXT)).save_pretrained(folder)
    write_tokenizer(folder)


def dinov2_s14(folder: Path, layers: int) -> None:
    small = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 224, "patch_size": 14}
    t.Dinov2Model(t.Dinov2Config(**small, num_hidden_layers=layers)).save_pretrained(folder)


def rt_detr(folder: Path, _layers: int) -> None:
    t.RTDetrForObjectDetection(t.RTDetrConfig()).save_pretrained(folder)  # by default of the size of R50
    size = {"height": 640, "width": 640}
    settings = PIXELS | {"image_processor_type": "RTDetrImageProcessor", "size": size, "do_normalize": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


@dataclass(frozen=True, slots=True)
class Entry:
    """write: the checkpoint, where there is one. plan: with that folder. stage: what holds the model. calls: on it."""

    name: str
    write: Callable[[Path, int], None] | None
    plan: Callable[[str], Plan]
    stage: Callable[[Plan], Stage]
    calls: Callable[[Any], Calls]


def towers(stage: Any) -> Calls:
    return [(stage._encoder._tower, "whole"), (stage._encoder._tower, "cells")]


def checkpoint(name: str, write: Callable[[Path, int], None]) -> Entry:
    return Entry(name, write, lambda folder: Plan(model=folder), EmbedStage, towers)


def detector(stage: Any) -> Calls:
    return [(stage._propose._proposers[0]._loaded.model, "forward")]


def proposing(folder: str) -> Plan:
    return Plan(proposals=ProposalConfig(use=("detector",), detector=DetectorConfig(model=folder)))


ENTRIES = [
    Entry("everyday", None, lambda _: Plan(), EmbedStage, lambda stage: [(stage._encoder, "_backbone")]),
    checkpoint("CLIP ViT-B/32", clip_b32),
    checkpoint("SigLIP B/16", siglip_b16),
    checkpoint("DINOv2 S/14", dinov2_s14),
    Entry("RT-DETR R50", rt_detr, proposing, ProposeStage, detector),
]


@dataclass(slots=True)
class Recorder:
    """The bare model with all that it was given."""

    model: Callable[..., Any]
    batches: list[Any] = field(default_factory=list)

    def __call__(self, batch: Any = None, *, pixel_values: Any = None) -> Any:
        given = batch if pixel_values is None else pixel_values
        self.batches.append(given.copy() if isinstance(given, np.ndarray) else given.clone())
        return self.model(given)


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs of one shape, together, and the model that takes them in batches of the size that is fastest for it."""

    model: Callable[..., Any]
    inputs: Any  # array or tensor (N, …)
    batch: int
    own: int  # the stage's

    def run(self) -> None:
        for start in range(0, len(self.inputs), self.batch):
            self.model(self.inputs[start : start + self.batch])


def recorded(stage: Any, packets: Sequence[Any], calls: Calls) -> Iterator[tuple[Callable[..., Any], Any, int]]:
    """Each model with its inputs, shape by shape, and the largest batch of them."""
    recorders = [(owner, name, Recorder(getattr(owner, name))) for owner, name in calls]
    for owner, name, recorder in recorders:
        setattr(owner, name, recorder)
    stage(packets)
    for owner, name, recorder in recorders:
        setattr(owner, name, recorder.model)
        by_shape: defaultdict[tuple[int, ...], list[Any]] = defaultdict(list)
        for batch in recorder.batches:
            by_shape[tuple(batch.shape[1:])].append(batch)
        for batches in by_shape.values():
            together = np.concatenate(batches) if isinstance(batches[0], np.ndarray) else torch.cat(batches)
            yield recorder.model, together, max(map(len, batches))


def best_batch(model: Callable[..., Any], inputs: Any, *, sizes: Sequence[int], most: int) -> int:
    """The size with the most pictures a second, of two tries each on `most` of the inputs."""
    rates = {}
    for size in sizes:
        some = inputs[: max(size, most // size * size)]
        if len(some) < size:
            continue
        part = Part(model, some, size, size)
        part.model(some[:size])
        rates[size] = max(len(some) / timed(part.run)[0] for _ in range(2))
    return max(rates, key=lambda size: rates[size])


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of CPU time."""
    synchronise()
    started, cpu = time.perf_counter(), time.process_time()
    run()
    synchronise()
    return time.perf_counter() - started, time.process_time() - cpu


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@contextmanager
def watched_gpu() -> Iterator[list[tuple[float, float]]]:
    """Samples of use in per cent and of memory in MiB, every 100 ms."""
    samples: list[tuple[float, float]] = []
    if not torch.cuda.is_available() or shutil.which("nvidia-smi") is None:
        yield samples
        return
    query = ["nvidia-smi", "-i", "0", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
    with subprocess.Popen([*query, "-lms", "100"], stdout=subprocess.PIPE, text=True) as watch:
        yield samples
        watch.terminate()
        assert watch.stdout is not None
        for line in watch.stdout:
            use, _, memory = line.partition(",")
            if memory.strip().isdigit():
                samples.append((float(use), float(memory)))


def packets_of(frames: int, regions: int, *, width_px: int, height_px: int) -> list[ProposalPacket]:
    """Packets of up to 16 keyframes of a drawn video: large smooth shapes with grain, and boxes of many sizes."""
    rng = np.random.default_rng(0)
    source = Source(
        uri="bench.mp4",
        id="bench",
        kind="video",
        clock=Clock(Fraction(1, 25)),
        span=Span(0, frames),
        width_px=width_px,
        height_px=height_px,
        sync_pts=(0,),
        frame_rate=25.0,
        codec="h264",
    )
    segment = Segment(source, source.span, "bench")
    keyframes, proposals = [], []
    for i in range(frames):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 16, 3), np.uint8))
        shapes = np.asarray(coarse.resize((width_px, height_px), Image.Resampling.BICUBIC)).astype(np.int16)
        image: ImageArray = np.clip(shapes + rng.integers(-6, 7, shapes.shape), 0, 255).astype(np.uint8)
        keyframes.append(Keyframe(i, image, None, "interval"))
        side = np.exp(rng.uniform(np.log(0.05), np.log(0.5), (regions, 2)))
        corner = rng.uniform(0, 1 - side)
        boxes = Boxes.clipped(np.concatenate([corner, corner + side], axis=1))
        proposals.append(Proposals.of(boxes, score=1.0, proposer="bench"))
    return [
        ProposalPacket(PacketHead(segment, n, 0, None), tuple(keyframes[at : at + 16]), tuple(proposals[at : at + 16]))
        for n, at in enumerate(range(0, frames, 16))
    ]


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


def measure(entry: Entry, args: argparse.Namespace, folder: Path) -> None:
    on_gpu = torch.cuda.is_available()
    if entry.write is not None:
        torch.manual_seed(0)
        folder.mkdir()
        entry.write(folder, args.layers)
        settings = folder / "preprocessor_config.json"
        if not settings.exists():
            settings.write_text(json.dumps(PIXELS | {"size": {"height": 224, "width": 224}}))
    plan = entry.plan(str(folder))
    if args.mode is not None:
        plan = replace(plan, regions=replace(plan.regions, mode=args.mode))
    stage = entry.stage(plan)
    packets: list[Any] = list(packets_of(args.frames, args.regions, width_px=args.width, height_px=args.height))
    if isinstance(stage, ProposeStage):
        packets = [FramePacket(packet.head, packet.keyframes) for packet in packets]
    sizes = [1, 2, 4, 8, 16, 32, 64, *((128, 256, 512) if on_gpu else ())]
    with torch.inference_mode():
        stage(packets)  # whatever is made on first use, and the batch that memory allows
        parts = [
            Part(model, inputs, best_batch(model, inputs, sizes=sizes, most=1024 if on_gpu else 32), own)
            for model, inputs, own in recorded(stage, packets, entry.calls(stage))
        ]
        images = sum(len(part.inputs) for part in parts)

        def bare(parts: Sequence[Part]) -> None:
            for part in parts:
                part.run()

        own = [replace(part, batch=part.own) for part in parts]
        times: dict[str, list[tuple[float, float]]] = {"bare": [], "own": [], "stage": []}
        samples: list[tuple[float, float]] = []
        for _ in range(args.rounds):
            times["bare"].append(timed(lambda: bare(parts)))
            times["own"].append(timed(lambda: bare(own)))
            with watched_gpu() as seen:
                times["stage"].append(timed(lambda: stage(packets)))
            samples += seen
        compiled = ""
        if args.compile and entry.write is not None:
            compiled = compiled_row(parts, rounds=args.rounds)
    middle = {way: [statistics.median(column) for column in zip(*rounds, strict=True)] for way, rounds in times.items()}
    fastest = [min(pair) for pair in zip(middle["bare"], middle["own"], strict=True)]
    shapes = ", ".join(
        f"{len(part.inputs)} of {'×'.join(map(str, part.inputs.shape[1:]))} by {part.batch} or {part.own}"
        for part in parts
    )
    row = (
        f"{entry.name:<15}{images:>7}{images / fastest[0]:>10.1f}{images / middle['stage'][0]:>10.1f}"
        f"{fastest[0] / middle['stage'][0]:>8.2f}{fastest[1] / middle['stage'][1]:>8.2f}"
    )
    if on_gpu:
        batches = getattr(getattr(stage, "_encoder", None), "_batches", None)
        use, memory = zip(*samples, strict=True) if samples else ((0.0,), (0.0,))
        row += f"{batches.size if batches else '–':>7}{statistics.mean(use):>6.0f}{max(memory):>8.0f}"
    print(f"{row}   {shapes}", flush=True)
    if compiled:
        print(f"{'':15}{compiled}", flush=True)
    if isinstance(stage, EmbedStage):
        stage.close()


def compiled_row(parts: Sequence[Part], *, rounds: int) -> str:
    """The largest part by torch.compile, against itself, in turns."""
    part = max(parts, key=lambda part: part.inputs.size if isinstance(part.inputs, np.ndarray) else part.inputs.numel())
    whole = replace(part, inputs=part.inputs[: max(1, len(part.inputs) // part.batch) * part.batch])  # no rest
    made = replace(whole, model=torch.compile(part.model))
    wait_s, _ = timed(lambda: made.model(whole.inputs[: part.batch]))
    pairs = [(timed(whole.run), timed(made.run)) for _ in range(rounds)]
    eager, fast = (statistics.median(pair[i][0] for pair in pairs) for i in (0, 1))
    cpu = statistics.median(a[1] for a, _ in pairs) / statistics.median(b[1] for _, b in pairs)
    return f"torch.compile: {eager / fast:.2f} times as fast ({cpu:.2f} by CPU time), after {wait_s:.0f} s of compiling"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="entries whose name holds this; several times")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--regions", type=int, default=64, help="of each frame")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--layers", type=int, default=12, help="of the checkpoints; fewer are quicker, and harder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mode", choices=["both", "crop", "pool"], help="how regions become vectors")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile of checkpoints as well")
    args = parser.parse_args()
    t.utils.logging.disable_progress_bar()
    print(f"{machine()}; {args.frames} frames of {args.width}×{args.height} with {args.regions} regions, ", end="")
    print(f"{args.layers} layers, medians of {args.rounds} rounds in turns")
    head = f"{'model':<15}{'images':>7}{'bare/s':>10}{'stage/s':>10}{'ratio':>8}{'by CPU':>8}"
    print(head + (f"{'batch':>7}{'SM %':>6}{'MiB':>8}" if torch.cuda.is_available() else "") + "   model inputs")
    with tempfile.TemporaryDirectory() as scratch:
        for n, entry in enumerate(ENTRIES):
            if not args.only or any(word.lower() in entry.name.lower() for word in args.only):
                measure(entry, args, Path(scratch) / str(n))


if __name__ == "__main__":
    main()
