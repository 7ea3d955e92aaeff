"""Watches from a TOML file: `[watch.NAME]` tables."""

from dataclasses import dataclass
from pathlib import Path

import cattrs
from cattrs.gen import make_dict_structure_fn, override

from pipeline.plan.named_tables import read_named_tables
from pipeline.watch.watch import Watch
from schemas.errors import PlanError
from schemas.query import BoxTuple, Geometry, Query, Ranking


@dataclass(frozen=True, slots=True)
class _Entry:
    """A watch as it stands in the file; keys as the options of `regionlake watch`."""

    threshold: float
    text: str | None = None
    image: str | None = None
    frame: str | None = None
    roi: BoxTuple | None = None
    text_weight: float = 0.5
    not_text: tuple[str, ...] = ()
    not_weight: float = 0.5
    box: BoxTuple | None = None
    geometry: Geometry = "iou"
    weight: float = 0.5
    source: str | None = None
    cooldown: float = 0.0

    def watch(self, name: str, *, folder: Path) -> Watch:
        query = Query(
            text=self.text,
            image=None if self.image is None else str(folder / self.image),
            frame=self.frame,
            roi=self.roi,
            text_weight=self.text_weight,
            not_text=self.not_text,
            not_weight=self.not_weight,
            box=self.box,
            source=self.source,
            ranking=Ranking(semantic_weight=self.weight, geometry=self.geometry),
        )
        return Watch(name, query, self.threshold, self.cooldown)


def read_watches(path: Path) -> list[Watch]:
    """In the order of the file, in whose folder its pictures lie.

    Raises PlanError where it cannot be read, or says what no watch has; QueryError for a watch that cannot be.
    """
    entries = read_named_tables(path, "watch", _Entry, converter=_converter)
    if not entries:
        raise PlanError(f"{path} has no [watch.NAME] table")
    return [entry.watch(name, folder=path.absolute().parent) for name, entry in entries.items()]


_converter = cattrs.Converter(forbid_extra_keys=True)
_converter.register_structure_hook(
    _Entry,
    make_dict_structure_fn(_Entry, _converter, not_text=override(rename="not"), _cattrs_forbid_extra_keys=True),
)
