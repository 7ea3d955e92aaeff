"""Catches a name that is refused without a hint, although the lake has a file that is called so."""

import pytest

from pipeline.lake.lake import Lake
from pipeline.lake.upkeep.pinned_places import named_sources
from pipeline.lake.writing.committer import Committer
from schemas.errors import QueryError
from tests.pipeline.lake.synthetic import World, fold_shots, stored


def test_a_name_that_is_no_path_of_a_source_suggests_the_files_that_are_called_so(lake: Lake) -> None:
    world = World(1)
    with Committer(lake, plan=stored(), fold_shots=fold_shots) as writer:
        writer.commit([world.rows(segment) for segment in world.segments()])
    assert [row["source"] for row in named_sources(lake, world.source.uri)] == [world.source.uri]
    called = world.source.uri.rpartition("/")[2]
    with pytest.raises(QueryError, match=f"no source or feed {called}; did you mean {world.source.uri}"):
        named_sources(lake, called)
    with pytest.raises(QueryError, match="no source or feed yard; give its path"):
        named_sources(lake, "yard")
