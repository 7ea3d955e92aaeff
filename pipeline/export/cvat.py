"""CVAT for images 1.1: `annotations.xml` (https://docs.cvat.ai/docs/manual/advanced/xml_format/)."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

from pipeline.export.dataset import ExportedFrame, Pictures, label_names, pixel_box
from pipeline.export.xml_text import xml_text

PICTURES = "images"
_ATTRIBUTES = ("region", "confidence")


def write_cvat(folder: Path, frames: Sequence[ExportedFrame], pictures: Pictures) -> list[Path]:
    """Boxes with the attributes `region` and `confidence`; the task's labels are in its `meta`."""
    root = Xml.Element("annotations")
    Xml.SubElement(root, "version").text = "1.1"
    task = Xml.SubElement(Xml.SubElement(root, "meta"), "task")
    Xml.SubElement(task, "size").text = str(len(frames))
    Xml.SubElement(task, "mode").text = "annotation"
    labels = Xml.SubElement(task, "labels")
    for name in label_names(frames):
        label = Xml.SubElement(labels, "label")
        Xml.SubElement(label, "name").text = xml_text(name)
        attributes = Xml.SubElement(label, "attributes")
        for attribute_name in _ATTRIBUTES:
            attribute = Xml.SubElement(attributes, "attribute")
            for key, value in {
                "name": attribute_name,
                "mutable": "False",
                "input_type": "text",
                "default_value": "",
            }.items():
                Xml.SubElement(attribute, key).text = value
            Xml.SubElement(attribute, "values")
    for number, frame in enumerate(frames):
        picture = pictures[frame.id]
        size = {"width": str(picture.width_px), "height": str(picture.height_px)}
        image = Xml.SubElement(root, "image", {"id": str(number), "name": picture.path} | size)
        for each in frame.annotations:
            x, y, width, height = pixel_box(each.box, picture)
            right, bottom = min(x + width, picture.width_px), min(y + height, picture.height_px)
            corners = {"xtl": x, "ytl": y, "xbr": right, "ybr": bottom}
            place = {name: f"{value:.2f}" for name, value in corners.items()}
            kind = {"label": xml_text(each.label), "source": "auto", "occluded": "0"}
            box = Xml.SubElement(image, "box", kind | place | {"z_order": "0"})
            Xml.SubElement(box, "attribute", {"name": "region"}).text = each.region
            if each.confidence is not None:
                Xml.SubElement(box, "attribute", {"name": "confidence"}).text = f"{each.confidence:.3f}"
    Xml.indent(root)
    path = folder / "annotations.xml"
    Xml.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return [path]
