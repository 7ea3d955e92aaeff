"""The frame of a report: one HTML file without scripts, to be handed to somebody else."""

from html import escape

_STYLE = """
body { max-width: 1100px; margin: 32px auto; padding: 0 20px; color: #14191f; background: #fff;
  font: 14px/20px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 22px; line-height: 28px; } p { color: #56616c; }
"""


def html_report(title: str, *, about: str, style: str, body: str) -> str:
    """A page. title, about: texts. style: CSS of this report. body: HTML, in which the caller has escaped texts."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>RegionLake: {escape(title)}</title><style>{_STYLE}{style}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n<p>{escape(about)}</p>\n{body}</body></html>\n"
    )
