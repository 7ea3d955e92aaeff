"""`regionlake status`: what a lake holds, what could not be read, and who is writing it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import console, print_json
from deploy.wording import clock_time, reason

if TYPE_CHECKING:
    from pipeline.lake.audit.status import LakeStatus
    from schemas.vectors import VectorSpace


def status(lake: LakeOption, as_json: JsonOption = False) -> None:
    """Show what a lake holds and what could not be read."""
    from pipeline.lake.audit.status import status as read_status
    from pipeline.lake.lake import Lake

    found = read_status(Lake.open(lake))
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)


def _print(found: "LakeStatus") -> None:
    from rich.table import Table

    out = console()
    own, *further = found.spaces.items()
    out.print(f"{found.uri}: vectors of {_space(own[1])}", soft_wrap=True)
    for column, space in further:
        seen = f"{found.embedded[column]:,} of {found.tables['frames'].rows:,} keyframes"
        out.print(f"  and of {_space(space)} in {column}: {seen}", soft_wrap=True)
    out.print(f"sources: {_counts(found.sources)} · segments: {_counts(found.segments)}")
    out.print(f"{found.frames_decoded:,} frames decoded, {found.near_duplicates:,} near-duplicates dropped")
    table = Table("table", "rows", "size", "fragments", "version", box=None, pad_edge=False)
    for name, size in found.tables.items():
        table.add_row(name, f"{size.rows:,}", _size(size.data_bytes), str(size.fragments), str(size.version))
    out.print(table)
    held = {name: size for name, size in found.vector_bytes.items() if size}
    if held:
        out.print(f"vectors of a keyframe: {', '.join(f'{name} {_size(size)}' for name, size in held.items())}")
    if found.disk_bytes is not None:
        out.print(f"on disk, old versions included: {_size(found.disk_bytes)}")
    out.print(f"being written by: {found.writer}" if found.writer else "nobody is writing it")
    for refusal in found.refusals:
        where = "" if refusal.span_s is None else " [{} to {}]".format(*map(clock_time, refusal.span_s))
        out.print(f"{refusal.state}{where}: {reason(refusal.source, refusal.error)}", soft_wrap=True)


def _space(space: "VectorSpace") -> str:
    return f"{space.model}@{space.revision}, {space.dimension}-d"


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "none"


def _size(size_bytes: float) -> str:
    if size_bytes >= 1e6:
        return f"{size_bytes / 1e6:,.1f} MB"
    return f"{size_bytes / 1e3:,.0f} kB" if size_bytes >= 1e4 else f"{size_bytes / 1e3:,.1f} kB"
