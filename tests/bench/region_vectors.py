"""Regions as vectors: what each mode costs and how well it distinguishes objects.

    python tests/bench/region_vectors.py --data DATA/coco-mini DATA/coco-tiny DATA/coco128 --videos DATA

Time: one frame of 768×576 with 64 boxes (median of the rounds; the baseline is the first mode, measured in the same
run). Quality: a head trained on four fifths of the COCO pictures, tested on the others' boxes of at least 32 px; and
"person" against twice as many backgrounds in the two videos, by the shipped head.
"""

import argparse
import os
import platform
import statistics
import time
from pathlib import Path

import numpy as np

from deploy.cli.commands.lab.options import default_cache_dir
from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.encoder import EverydayEncoder
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.sentences import SentenceEncoder
from operators.encoders.region_vectors import RegionVectors, RegionVectorsConfig
from operators.proposals.models.coco_classes import COCO_CLASSES
from operators.readers.picture import read_picture
from pipeline.lab.datasets.coco_pictures import coco_folders, read_coco_pictures
from pipeline.lab.datasets.mot import read_sequence
from pipeline.lab.evaluation.metrics import mean_average_precision, ranks_of_truth
from pipeline.lab.evaluation.person_boxes import SEQUENCES, person_average_precision
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import everyday_prompts
from pipeline.lab.training.everyday.views import ViewConfig, training_views
from schemas.boxes import Boxes

MODES = {
    "both, 288 px": RegionVectorsConfig(crop_px=288),
    "both, 160 px": RegionVectorsConfig(),
    "both, 96 px": RegionVectorsConfig(crop_px=96),
    "crop, 224 px": RegionVectorsConfig(mode="crop", crop_px=224),
    "crop, 160 px": RegionVectorsConfig(mode="crop"),
    "pool": RegionVectorsConfig(mode="pool"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="COCO folders, or folders of them")
    parser.add_argument("--videos", type=Path, required=True, help="folder of the two videos")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    cache_dir = default_cache_dir()
    encoder = EverydayEncoder(threads=args.threads)
    backbone = Backbone(threads=args.threads)
    pictures = [p for named in args.data for folder in coco_folders(named) for p in read_coco_pictures(folder).frames]
    views = training_views(pictures, backbone, config=ViewConfig(), seed=0, cache_dir=cache_dir)
    prompts = everyday_prompts(SentenceEncoder(), nouns=classifier_names())
    tested = np.flatnonzero(np.random.default_rng(0).permutation(len(pictures)) % 5 == 0)
    held_out = encoder.with_head(
        fit_head(views.where(~np.isin(views.pictures, tested)), prompts, backbone, config=FitConfig())
    )

    frame = next(read_sequence(args.videos / SEQUENCES[0].folder).peopled_frames(every=400))[0]
    rng = np.random.default_rng(0)
    side = np.exp(rng.uniform(np.log(0.05), np.log(0.5), (64, 2)))
    corner = rng.uniform(0, 1 - side)
    boxes = Boxes.clipped(np.concatenate([corner, corner + side], axis=1))

    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {args.threads} threads, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}; {len(tested)} pictures held out")
    names = " ".join(f"{s.folder:>15}" for s in SEQUENCES)
    print(f"{'mode':12} {'ms/frame':>9} {'ratio':>6} {'top-1':>6} {'top-5':>6} {'mAP':>6} {names}")
    baseline = 0.0
    for name, config in MODES.items():
        regions = RegionVectors(config, encoder)
        regions([frame], [boxes])
        rounds = []
        for _ in range(args.rounds):
            started = time.perf_counter()
            regions([frame], [boxes])
            rounds.append(1e3 * (time.perf_counter() - started))
        took = statistics.median(rounds)
        baseline = baseline or took
        scores, truth = [], []
        of_pictures = RegionVectors(config, held_out)
        words = held_out.encode_texts(COCO_CLASSES)
        for picture in (pictures[i] for i in tested):
            large = picture.sides_px().min(axis=1, initial=np.inf) >= 32
            scores.append(of_pictures([read_picture(str(picture.path))], [picture.objects.boxes[large]])[0] @ words.T)
            truth.append(picture.objects.labels[large])
        ranks = ranks_of_truth(np.concatenate(scores), np.concatenate(truth))
        is_class = np.concatenate(truth)[:, None] == np.arange(len(COCO_CLASSES))
        people = [person_average_precision(args.videos / s.folder, s, encoder, regions=regions)[0] for s in SEQUENCES]
        print(
            f"{name:12} {took:9.0f} {took / baseline:6.2f} {np.mean(ranks == 0):6.3f} {np.mean(ranks < 5):6.3f} "
            f"{mean_average_precision(np.concatenate(scores), is_class):6.3f} "
            + " ".join(f"{p:15.3f}" for p in people),
            flush=True,
        )


if __name__ == "__main__":
    main()
