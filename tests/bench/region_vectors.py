"""What the vectors of a keyframe cost: one of 768×576 px with 64 regions, in every mode of the embedded model.

    python tests/bench/region_vectors.py

The baseline, in the same rounds, is the first revision of the model: a crop of every region and a map of the frame.
The vector of the frame itself is included. Medians of the rounds; CPU time is that of all threads.
"""

import argparse
import os
import platform
import statistics
import time

import numpy as np

from operators.encoders.encoder import Encoder
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.everyday.first import FirstEverydayEncoder
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from schemas.boxes import Boxes

REGIONS = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frames", type=int, default=4, help="number of keyframes in a call")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    first, ours = FirstEverydayEncoder(threads=args.threads), EverydayEncoder(threads=args.threads)
    modes: dict[str, tuple[Encoder, RegionVectorsConfig]] = {
        "everyday-1, both": (first, RegionVectorsConfig(mode="both")),
        "everyday-1, pool": (first, RegionVectorsConfig(mode="pool")),
        **{f"everyday, pool {px} px": (ours, RegionVectorsConfig(mode="pool", map_px=px)) for px in (448, 640, 896)},
        "everyday, both": (ours, RegionVectorsConfig(mode="both")),
    }
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (18, 24, 3), np.uint8).repeat(32, 0).repeat(32, 1) for _ in range(args.frames)]
    side = np.exp(rng.uniform(np.log(0.05), np.log(0.5), (REGIONS, 2)))
    corner = rng.uniform(0, 1 - side)
    boxes = [Boxes.clipped(np.concatenate([corner, corner + side], axis=1))] * args.frames

    def run(encoder: Encoder, config: RegionVectorsConfig) -> tuple[float, float]:
        """Wall and CPU time of a keyframe, in ms."""
        regions = RegionVectors(config, encoder)
        wall, cpu = time.perf_counter(), time.process_time()
        maps = regions.maps(frames) if encoder is ours and config.mode == "pool" else None
        encoder.encode_images(frames, maps=maps)
        regions(frames, boxes, maps=maps)
        return 1e3 * (time.perf_counter() - wall) / args.frames, 1e3 * (time.process_time() - cpu) / args.frames

    for each in modes.values():
        run(*each)  # loads the model
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in modes}
    for _ in range(args.rounds):
        for name, each in modes.items():
            took[name].append(run(*each))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, {args.frames} keyframes in a call")
    print(f"{'mode':22} {'ms':>7} {'CPU ms':>7} {'ratio':>6} {'bytes of vectors':>17}")
    baseline = statistics.median(wall for wall, _ in took["everyday-1, both"])
    for name, (encoder, _) in modes.items():
        wall, cpu = (statistics.median(times) for times in zip(*took[name], strict=True))
        stored = (REGIONS + 1) * encoder.space.dimension * 2
        print(f"{name:22} {wall:7.1f} {cpu:7.1f} {baseline / wall:6.1f} {stored:17,}")


if __name__ == "__main__":
    main()
