"""Parses the methods of search to compare: how frames are ranked, and the plan settings of their lakes."""

from dataclasses import dataclass, replace
from typing import cast, get_args

from pipeline.lab.evaluation.plans import GRID_SETTINGS
from schemas.errors import QueryError
from schemas.query import Geometry, MethodName, Normalisation, Ranking, WeightedMethod

# Settings of the plan that a method needs; settings that the user gives are applied later and win.
_NEEDS: dict[str, tuple[str, ...]] = {
    "grid": GRID_SETTINGS,
    "patches": ("patches=true",),
    **{name: ("patches=true",) for name in get_args(MethodName) if name.startswith("votes")},
    "growing": ("patches=true",),
    "correlation": ("patches=true",),
    "representatives": ("representatives.method=kmeans",),
    "representatives-global": ("representatives.method=kmeans",),
}
_GRID = "grid"  # the method "regions" in a lake whose regions are cells of a grid
_RANKING = "ranking."


@dataclass(frozen=True, slots=True)
class ComparedMethod:
    """label: the method as the user wrote it. methods, ranking: used for every query. geometry: that of the ranking, if
    the user wrote one; None for that of the question. settings: settings of its own lake, `key.path=value`.

    needs: settings that it requires; methods without settings of their own share a lake with all of these.
    """

    label: str
    methods: tuple[WeightedMethod, ...]
    ranking: Ranking
    settings: tuple[str, ...]
    needs: tuple[str, ...]
    geometry: Geometry | None = None


def method_names() -> tuple[str, ...]:
    """The names of all methods."""
    return (*get_args(MethodName), _GRID)


def parse_methods(text: str) -> tuple[ComparedMethod, ...]:
    """`global,regions,grid` → three methods; `global+regions*0.5` fuses two, the second with half the weight.

    A colon is followed by settings of the plan, or of the ranking, separated by semicolons:
    `representatives:representatives.count=10;representatives.method=kmeans`, `regions:ranking.semantic_weight=1`.
    Raises QueryError for an unknown name or setting of the ranking, and for a repeated method.
    """
    methods = tuple(_parse(part) for part in _split(text))
    labels = [method.label for method in methods]
    if not methods or len(set(labels)) < len(labels):
        raise QueryError(f"name each method of search once, and at least one, got {text!r}")
    return methods


def _parse(text: str) -> ComparedMethod:
    names, _, rest = text.partition(":")
    terms: list[WeightedMethod] = []
    needs: list[str] = []
    grid = False
    for name_and_weight in names.split("+"):
        name, _, weight = name_and_weight.partition("*")
        if name not in method_names():
            raise QueryError(f"{name!r} is not a method of search; known are {', '.join(method_names())}")
        method = cast(MethodName, "regions" if name == _GRID else name)
        terms.append(WeightedMethod(method, _number("weight", weight) if weight else 1.0))
        needs += _NEEDS.get(name, ())
        grid |= name == _GRID
    given = [setting.strip() for setting in rest.split(";") if setting.strip()]
    settings = [setting for setting in given if not setting.startswith(_RANKING)]
    if grid:  # a lake of its own, as its regions are not proposals
        settings, needs = [*needs, *settings], []
    of_ranking = [setting.removeprefix(_RANKING) for setting in given if setting.startswith(_RANKING)]
    ranking = _ranking(of_ranking)
    geometry = ranking.geometry if any(setting.startswith("geometry=") for setting in of_ranking) else None
    return ComparedMethod(text, tuple(terms), ranking, tuple(settings), tuple(needs), geometry)


def _ranking(settings: list[str]) -> Ranking:
    ranking = Ranking()
    for setting in settings:
        key, _, value = setting.partition("=")
        if key == "semantic_weight":
            ranking = replace(ranking, semantic_weight=_number(f"ranking.{key}", value))
        elif key == "prior":
            ranking = replace(ranking, prior=_number(f"ranking.{key}", value))
        elif key == "geometry" and value in get_args(Geometry):
            ranking = replace(ranking, geometry=cast(Geometry, value))
        elif key == "normalisation" and value in get_args(Normalisation):
            ranking = replace(ranking, normalisation=cast(Normalisation, value))
        else:
            known = f"geometry={'|'.join(get_args(Geometry))}, normalisation={'|'.join(get_args(Normalisation))}"
            raise QueryError(f"ranking.{setting} is none of semantic_weight=0…1, prior=0…1, {known}")
    return ranking


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise QueryError(f"{name} must be a number, got {text!r}") from None


def _split(text: str) -> list[str]:
    """Splits at commas outside of brackets, as settings may contain lists."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
