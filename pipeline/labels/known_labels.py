"""What people say of the regions that a search shows, which follows labels as they are imported and removed."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.lake.lake import Lake, lake_errors, open_dataset
from schemas.query import Place

if TYPE_CHECKING:
    from pipeline.labels.label_table import Judged

_log = logging.getLogger(__name__)


class KnownLabels:
    """Holds what is known of each region that somebody labelled. It has no lock."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._version: int | None = None
        self._judged: dict[str, Judged] = {}

    def refresh(self) -> None:
        """Reads the labels if they changed: otherwise this costs one listing. Raises LakeError.

        One that is damaged is skipped and named in the log: a search answers without it.
        """
        with lake_errors(f"reading the labels of {self._lake.uri}", lake=self._lake.uri):
            table = open_dataset(self._lake.uri, "labels")
        version = None if table is None else table.version
        if version == self._version:
            return
        from pipeline.labels.label_table import Labels, judged  # most lakes have no labels

        labels, damaged = Labels(self._lake).read_each()
        for error in damaged:
            _log.warning("hits are shown without a label: %s", error, extra={"lake": self._lake.uri})
        self._judged = judged(labels)
        self._version = version

    def shown(self, place: Place) -> Place:
        """The place of a hit, with what people say of its region."""
        known = None if place.region_id is None else self._judged.get(place.region_id)
        return place if known is None else replace(place, human_label=known.label, verdict=known.verdict)
