"""`regionlake search`: a question to the lake, answered as a table, JSON, a contact sheet or clips."""

from datetime import datetime
from typing import TYPE_CHECKING

import typer

from deploy.cli.options import JsonOption, LakeOption
from deploy.cli.output import console, print_json, search_json
from deploy.cli.search_options import (
    BoxOption,
    CandidatesOption,
    ClipsOption,
    CountOption,
    FrameOption,
    FuseOption,
    GeometryOption,
    ImageOption,
    ModelOption,
    NormOption,
    NotFrameOption,
    NotPointOption,
    NotRoiOption,
    NotTextOption,
    NotWeightOption,
    PointOption,
    PromptBoxOption,
    PromptOption,
    RankOption,
    RoiOption,
    SheetOption,
    SinceOption,
    SourceOption,
    TemplateOption,
    TextArgument,
    TextWeightOption,
    ThenBoxOption,
    ThenOption,
    UntilOption,
    WeightOption,
    WithinOption,
)
from deploy.cli.values import parse_box, parse_point, parse_rank, parse_time
from deploy.wording import clock_time, is_picture, short_names
from schemas.prompts import RegionPrompts
from schemas.query import Query, Ranking, RankTerm, SearchResult, Then

if TYPE_CHECKING:
    from pipeline.lake.lake import Lake

DEFAULT = Ranking()
_SHOWN = {"label": 32, "track": 8}  # characters: enough of an id to tell which hits are one thing
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def search(
    lake: LakeOption,
    text: TextArgument = None,
    box: BoxOption = None,
    template: TemplateOption = None,
    image: ImageOption = None,
    roi: RoiOption = None,
    frame: FrameOption = None,
    point: PointOption = None,
    not_point: NotPointOption = None,
    prompt: PromptOption = None,
    prompt_box: PromptBoxOption = None,
    text_weight: TextWeightOption = 0.5,
    not_text: NotTextOption = None,
    not_weight: NotWeightOption = 0.5,
    not_frame: NotFrameOption = None,
    not_roi: NotRoiOption = None,
    then: ThenOption = None,
    then_box: ThenBoxOption = None,
    within: WithinOption = 10.0,
    rank: RankOption = None,
    fuse: FuseOption = "rrf",
    candidates: CandidatesOption = 50,
    geometry: GeometryOption = DEFAULT.geometry,
    norm: NormOption = DEFAULT.normalisation,
    weight: WeightOption = DEFAULT.semantic_weight,
    source: SourceOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    k: CountOption = 10,
    model: ModelOption = None,
    as_json: JsonOption = False,
    sheet: SheetOption = None,
    clips: ClipsOption = None,
) -> None:
    """Find frames by what they show (TEXT, --image) and where (--box)."""
    if sheet and sheet.suffix.lower() not in PICTURE_SUFFIXES:
        raise typer.BadParameter(f"{sheet} must end in one of {' '.join(PICTURE_SUFFIXES)}", param_hint="--sheet")
    began, ended = parse_time(since, option="--since"), parse_time(until, option="--until")
    query = Query(
        text=text,
        image=str(image) if image else None,
        frame=frame,
        roi=parse_box(roi, option="--roi"),
        prompts=_prompts(point, not_point, prompt, prompt_box),
        box=parse_box(box, option="--box"),
        source=source,
        since=began if isinstance(began, datetime) else None,
        since_s=began if isinstance(began, float) else None,
        until=ended if isinstance(ended, datetime) else None,
        until_s=ended if isinstance(ended, float) else None,
        k=k,
        ranking=Ranking(semantic_weight=weight, geometry=geometry, normalisation=norm),
        text_weight=text_weight,
        not_text=tuple(not_text or ()),
        not_weight=not_weight,
        not_frames=tuple(not_frame or ()),
        not_rois=tuple(filter(None, (parse_box(each, option="--not-roi") for each in not_roi or ()))),
        rank=tuple(parse_rank(each) for each in rank) if rank else (RankTerm(),),
        fusion=fuse,
        candidates=candidates,
        then=None if then is None else Then(then, within_s=within, box=parse_box(then_box, option="--then-box")),
    )
    from pipeline.lake.lake import Lake

    opened = Lake.open(lake)
    result = _answer(query, lake=opened, model=model, templates=template or None)
    if as_json:
        print_json(search_json(result))
    else:
        _print_table(result)
    if sheet:
        from deploy.contact_sheet import write_contact_sheet

        write_contact_sheet(result, lake=opened, path=sheet)
        typer.echo(f"contact sheet: {sheet}", err=True)
    if clips:
        from deploy.clips import export_clips

        for path in export_clips(result, lake=opened, folder=clips):
            typer.echo(f"clip: {path}", err=True)


def _prompts(
    points: list[str] | None, not_points: list[str] | None, text: str | None, box: str | None
) -> RegionPrompts | None:
    if not (points or not_points or text is not None or box is not None):
        return None
    return RegionPrompts(
        points=tuple(parse_point(each, option="--point") for each in points or ()),
        not_points=tuple(parse_point(each, option="--not-point") for each in not_points or ()),
        box=parse_box(box, option="--prompt-box"),
        text=text,
    )


def _answer(query: Query, *, lake: "Lake", model: str | None, templates: list[str] | None) -> SearchResult:
    from operators.encoders.catalogue import load_encoder
    from pipeline.search.searcher import Searcher

    if not query.by_meaning and query.then is None:
        return Searcher(lake).search(query)  # a box alone needs no model
    encoder = load_encoder(model or lake.space.model, templates=templates, class_paths=model is not None)
    try:
        searcher = Searcher(lake, encoder)  # before the model works: it may be none of the lake's
        words = query.text or (query.then and query.then.text)
        if words:
            encoder.encode_texts([words])  # models load on first use, and `took_ms` is to be the search's own
        result = searcher.search(query)
        if searcher.without_vector:
            typer.echo(
                f"not searched: {searcher.without_vector:,} keyframes that {encoder.space.model} has not seen; "
                f"run: regionlake ingest --reembed --model {encoder.space.model} --lake {lake.uri}",
                err=True,
            )
        return result
    finally:
        encoder.close()


def _print_table(result: SearchResult) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    with_time = any(hit.time for hit in result.hits)
    clock = ("time (UTC)",) if with_time else ()
    following = ("then at",) if result.query.then else ()
    known = [name for name in ("label", "track") if any(getattr(hit, name) for hit in result.hits)]
    columns = (
        "rank",
        "distance",
        "semantic",
        "geometric",
        "source",
        "at",
        *following,
        *clock,
        "shot",
        "box",
        "proposer",
        *known,
    )
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in ("source", "shot"))
    names = short_names([hit.source for hit in result.hits])
    for hit in result.hits:
        table.add_row(
            str(hit.rank),
            *("–" if d is None else f"{d:.3f}" for d in (hit.distance, hit.semantic, hit.geometric)),
            names[hit.source],
            "–" if is_picture(hit.source) else clock_time(hit.pts_s),
            *([clock_time(hit.then.pts_s)] if hit.then else []),
            *([f"{hit.time:%Y-%m-%d %H:%M:%S}" if hit.time else "–"] if with_time else []),
            "–"
            if hit.shot_s is None or is_picture(hit.source)
            else f"{clock_time(hit.shot_s[0])} to {clock_time(hit.shot_s[1])}",
            " ".join(f"{side:.2f}" for side in hit.box),
            hit.proposer,
            *((getattr(hit, name) or "–")[: _SHOWN[name]] for name in known),
        )
    out = console()
    if result.hits:
        out.print(table)
    exactness = "exact" if result.exact else "approximate: not all were looked at closely"
    found = f"{len(result.hits)} hits of {result.candidates:,} regions and frames"
    out.print(f"{found} in {result.took_ms:.0f} ms ({exactness})")
