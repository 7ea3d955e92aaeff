"""Trains the fusion of details from the frames of a lake or from folders of pictures: `regionlake lab train detail`.

It uses no labels, only pictures and a list of names that people will search for.
"""

import csv
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

from operators.detailclip.cover import CoverConfig, CoverVectors
from operators.detailclip.model import save_detail_model
from operators.encoders.catalogue import load_encoder
from operators.readers.picture import PICTURE_SUFFIXES, read_picture
from pipeline.lab.training.detailclip.checkpoint import Epoch
from pipeline.lab.training.detailclip.cover_cache import CoverCache
from pipeline.lab.training.detailclip.fit import DetailFitConfig, fit_fusion
from pipeline.lake.lake import Lake
from pipeline.lake.lake_encoder import for_lake
from pipeline.reading.fetch_rule import FetchRule
from pipeline.reading.keyframe_stream import ReadConfig
from pipeline.reading.reader_process import ReaderProcess
from pipeline.reading.sources import Location
from schemas import require
from schemas.errors import InvalidValueError, SourceError
from schemas.frames import ImageArray
from schemas.ids import digest

_AT_ONCE = 4  # pictures encoded together
_READ_TIMEOUT_S = 60.0  # a decoder without progress for so long is killed


@dataclass(frozen=True, slots=True)
class TrainDetailConfig:
    """lake, folders: where pictures come from: the keyframes of a lake, read again from its sources, and all pictures
        below these folders. pictures: their maximum number, chosen by a hash of their contents.
    classes: names that people will search for. cache_dir: folder in which encoded windows are kept.
    out: the file to write; its learning curve is written to `.csv` next to it, and a checkpoint to `.checkpoint` during
        training.
    """

    out: Path
    classes: tuple[str, ...]
    cache_dir: Path
    model: str = "everyday"
    lake: str | None = None
    folders: tuple[Path, ...] = ()
    pictures: int = 2000
    cover: CoverConfig = field(default_factory=CoverConfig)
    fit: DetailFitConfig = field(default_factory=DetailFitConfig)

    def __post_init__(self) -> None:
        if self.lake is None and not self.folders:
            raise InvalidValueError("no pictures to train from; give --lake DIR or --data FOLDER")
        if len(self.classes) < 2:
            raise InvalidValueError(f"training needs at least 2 class names, got {len(self.classes)}")
        require.at_least(2, pictures=self.pictures)


@dataclass(frozen=True, slots=True)
class TrainDetailReport:
    """Inputs and results of a training. revision: that of the file. loss, held_out_loss: those of the last epoch."""

    out: Path
    revision: str
    pictures: int
    windows: int
    classes: int
    loss: float
    held_out_loss: float | None
    seconds: float


def train_detail(
    config: TrainDetailConfig,
    *,
    on_picture: Callable[[int, int], None] = lambda _done, _total: None,
    on_epoch: Callable[[Epoch], None] = lambda _epoch: None,
) -> TrainDetailReport:
    """Trains and writes the fusion. After a kill, the same call continues with the remaining pictures and epochs, and
    writes the same bytes.

    on_picture: called with (encoded pictures, total number of pictures), first with those that were encoded before.
    on_epoch: called with every epoch that is trained.
    Raises SourceError if no picture is found or one cannot be read; ModelError and LakeError before that.
    """
    started = time.perf_counter()
    lake = None if config.lake is None else Lake.open(config.lake)
    encoder = load_encoder(config.model, class_paths=True)
    try:
        if lake is not None:
            encoder = for_lake(encoder, lake, model=config.model)
            encoder.space.require_same(lake.space, lake=lake.uri)
        texts = encoder.encode_texts(config.classes)
        cache = CoverCache(config.cache_dir / "detail", CoverVectors(config.cover, encoder))
        found = {**_of_folders(config.folders), **({} if lake is None else _of_lake(lake))}
        keys = sorted(found, key=digest)[: config.pictures]
        if not keys:
            raise SourceError("no picture to train from: the lake has no keyframes, or the folders hold no pictures")
        _encode({key: found[key] for key in keys}, cache, on_picture)
        pictures = [cache[key] for key in keys]
        space = encoder.space
    finally:
        encoder.close()
    checkpoint = config.out.with_suffix(".checkpoint")
    fusion, curve = fit_fusion(pictures, texts, config.fit, checkpoint=checkpoint, on_epoch=on_epoch)
    revision = save_detail_model(config.out, fusion, space=space, cover=config.cover)
    _write_curve(config.out.with_suffix(".csv"), curve)
    checkpoint.unlink()
    return TrainDetailReport(
        out=config.out,
        revision=revision,
        pictures=len(pictures),
        windows=sum(len(p.windows) for p in pictures),
        classes=len(config.classes),
        loss=curve[-1].loss,
        held_out_loss=curve[-1].held_out_loss,
        seconds=time.perf_counter() - started,
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """A keyframe of a lake, or, without a source, a picture file."""

    uri: str
    source_id: str = ""
    pts: int = 0


def _of_folders(folders: Sequence[Path]) -> dict[str, _Frame]:
    """Pictures by a hash of their bytes, so that copies count once."""
    paths = sorted(
        p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file()
    )
    return {digest("picture", path.read_bytes()): _Frame(str(path)) for path in paths}


def _of_lake(lake: Lake) -> dict[str, _Frame]:
    """Keyframes by their ids, which depend on the bytes of the source."""
    rows = lake.read("frames", columns=["id", "source_id", "source", "pts"]).to_pylist()
    return {row["id"]: _Frame(row["source"], row["source_id"], row["pts"]) for row in rows}


def _encode(frames: dict[str, _Frame], cache: CoverCache, on_picture: Callable[[int, int], None]) -> None:
    missing = {key: frame for key, frame in frames.items() if key not in cache}
    done = len(frames) - len(missing)
    on_picture(done, len(frames))
    waiting: list[tuple[str, ImageArray]] = []
    for number, (key, image) in enumerate(_read(missing), start=1):
        waiting.append((key, image))
        if len(waiting) == _AT_ONCE or number == len(missing):
            cache.add([key for key, _ in waiting], [image for _, image in waiting])
            done += len(waiting)
            waiting.clear()
            on_picture(done, len(frames))


def _read(frames: dict[str, _Frame]) -> Iterator[tuple[str, ImageArray]]:
    """Yields keys and pictures: files one by one, then frames, source by source in order."""
    for key, frame in frames.items():
        if not frame.source_id:
            yield key, read_picture(frame.uri)
    of_sources = sorted(
        ((f.source_id, f.uri, f.pts, key) for key, f in frames.items() if f.source_id), key=lambda row: row[:3]
    )
    if not of_sources:
        return
    with ReaderProcess(ReadConfig(), timeout_s=_READ_TIMEOUT_S) as reader:
        for (source_id, uri), group in groupby(of_sources, key=lambda row: row[:2]):
            rows = list(group)
            keys = iter([key for *_, key in rows])
            for images in reader.frames(
                Location(uri, uri, fetch=FetchRule(of_lake=True)), source_id, [pts for _, _, pts, _ in rows]
            ):
                for image in images:
                    yield next(keys), image


def _write_curve(path: Path, curve: Sequence[Epoch]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Epoch.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(epoch) for epoch in curve)
