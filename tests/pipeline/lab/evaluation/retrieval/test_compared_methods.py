"""Names of methods. Catches a method that is measured in another lake or by another ranking than its name says."""

import pytest

from pipeline.lab.evaluation.plans import GRID_SETTINGS
from pipeline.lab.evaluation.retrieval.compared_methods import parse_methods
from pipeline.lab.evaluation.retrieval.measure import parse_tasks
from pipeline.plan.plan_file import load_plan
from schemas.errors import QueryError
from schemas.query import Ranking, WeightedMethod


def test_names_are_ways_of_ranking() -> None:
    whole, regions = parse_methods("global, regions")
    assert (whole.label, whole.methods, whole.settings) == ("global", (WeightedMethod("global"),), ())
    assert regions.methods == (WeightedMethod("regions"),)


def test_several_names_are_fused_with_their_weights() -> None:
    (method,) = parse_methods("global+regions*0.5")
    assert method.methods == (WeightedMethod("global"), WeightedMethod("regions", 0.5))


def test_settings_are_of_the_plan_or_of_the_ranking() -> None:
    first, second = parse_methods('regions:proposals.use=["segments", "grid"];ranking.semantic_weight=1,global')
    assert first.settings == ('proposals.use=["segments", "grid"]',)
    assert first.ranking == Ranking(semantic_weight=1.0)
    assert second.ranking == Ranking()
    (by_iou,) = parse_methods("regions:ranking.geometry=iou")
    assert (by_iou.ranking, by_iou.geometry) == (Ranking(geometry="iou"), "iou")
    assert first.geometry is second.geometry is None, "the geometry is that of the question"


def test_the_grid_is_regions_in_a_lake_of_cells() -> None:
    (grid,) = parse_methods("grid")
    assert (grid.methods, grid.settings) == ((WeightedMethod("regions"),), GRID_SETTINGS)
    plan = load_plan(overrides=grid.settings)
    assert plan.proposals.use == ("grid",)
    assert plan.proposals.config_of("grid").cells == (4, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one"),
        ("global,global", "once"),
        ("colour", "'colour' is not a method of search; known are .*grid"),
        ("global*heavy", "weight must be a number, got 'heavy'"),
        ("regions:ranking.colour=1", "none of semantic_weight"),
        ("regions:ranking.geometry=round", "geometry=iou"),
        ("regions:ranking.semantic_weight=2", r"must lie in \[0, 1\]"),
    ],
)
def test_what_is_not_known_is_refused(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse_methods(text)


def test_tasks_come_in_their_order() -> None:
    assert parse_tasks("captions, classes") == ("classes", "captions")
    with pytest.raises(QueryError, match="tasks are some of classes"):
        parse_tasks("colours")
