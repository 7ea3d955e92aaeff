"""How results are printed: tables for people, JSON for programs; and what exit codes mean."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipeline.search.hit_json import hit_json
from schemas.query import Query, SearchResult

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
Json = dict[str, object]


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False))


@contextmanager
def results_only() -> Iterator[None]:
    """In the block, what others print to standard output (Ray tells there of workers that died) goes to standard
    error."""
    with redirect_stdout(sys.stderr):
        yield


def console() -> "Console":
    """Standard output; wide when it is no terminal, so that a table in a file is not folded, and never so narrow
    that a table must leave columns out: the terminal then breaks its lines."""
    from rich.console import Console

    out = Console(highlight=False, markup=False)
    return Console(highlight=False, markup=False, width=max(out.width, 140) if out.is_terminal else 160)


def search_json(result: SearchResult) -> Json:
    """The object that `regionlake search --json` prints."""
    return {
        "query": _query_json(result.query),
        "took_ms": round(result.took_ms, 3),
        "exact": result.exact,
        **({} if result.region is None else {"region": result.region}),
        "hits": [hit_json(hit) for hit in result.hits],
    }


def _query_json(query: Query) -> Json:
    return {
        "text": query.text,
        "image": query.image,
        "roi": query.roi,
        **({} if query.frame is None else {"frame": query.frame}),
        **({} if query.prompts is None else {"prompts": asdict(query.prompts)}),
        "not": [*query.not_text, *query.not_rois],
        "box": query.box,
        "source": query.source,
        "since": query.since.isoformat() if query.since else query.since_s,
        "until": query.until.isoformat() if query.until else query.until_s,
        "k": query.k,
        "rank": {term.method: term.weight for term in query.rank},
        "then": query.then and asdict(query.then),
        "geometry": query.ranking.geometry,
        "norm": query.ranking.normalisation,
        "weight": query.ranking.semantic_weight,
    }
