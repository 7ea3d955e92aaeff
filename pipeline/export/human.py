"""What people say of regions wins over the model: their labels, and the boxes that they corrected."""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.export.dataset import Annotation
from pipeline.labels.label_table import UNMOVED_IOU, Judged


def corrected(annotation: Annotation, known: Mapping[str, Judged], *, label: str | None) -> Annotation | None:
    """The annotation as people left it; None where they say that it does not show its label.

    label: that the user gives to every region, which wins over other labels. A confidence is of the model's label, and
    a mask of its box, so they are dropped with these.
    """
    said = known.get(annotation.region)
    if said is None:
        return annotation
    if label is None and said.label is not None:
        confidence = annotation.confidence if said.label == annotation.label else None
        annotation = replace(annotation, label=said.label, confidence=confidence)
    if annotation.label in said.wrong:
        return None
    if annotation.label == said.label:
        annotation = replace(annotation, verdict="right")
        if said.iou < UNMOVED_IOU:
            annotation = replace(annotation, box=said.box, mask=None)
    return annotation
