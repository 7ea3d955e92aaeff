"""What people say of the regions that a search shows, which follows labels as they are imported and removed."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.lake.lake import Lake, lake_errors, open_dataset
from schemas.query import Place

if TYPE_CHECKING:
    from pipeline.labels.label_table import Judged


class KnownLabels:
    """Holds what is known of each region that somebody labelled. It has no lock."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._version: int | None = None
        self._judged: dict[str, Judged] = {}

    def refresh(self) -> None:
        """Reads the labels if they changed: otherwise this costs one listing. Raises LakeError."""
        with lake_errors(f"reading the labels of {self._lake.uri}", lake=self._lake.uri):
            table = open_dataset(self._lake.uri, "labels")
        version = None if table is None else table.version
        if version == self._version:
            return
        from pipeline.labels.label_table import Labels, judged  # most lakes have no labels

        self._judged = judged(Labels(self._lake).read())
        self._version = version

    def shown(self, place: Place) -> Place:
        """The place of a hit, with what people say of its region."""
        known = None if place.region_id is None else self._judged.get(place.region_id)
        return place if known is None else replace(place, human_label=known.label, verdict=known.verdict)
