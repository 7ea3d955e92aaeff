"""Catches a panic in the committer's actor that ends it, so that Ray calls it again for ever."""

import pytest

from pipeline.ingest.engines.ray_writer import _WriterActor
from pipeline.live.commits.failures import is_out_of_reach
from schemas.errors import LakeError


class PanicException(BaseException):
    """As a panic of Rust reaches Python, where it is no Exception."""


class Writer:
    """Raises what it is asked for."""

    def commit(self, error: BaseException) -> None:
        raise error


def test_a_panic_reaches_the_follower_as_an_error_and_others_as_they_are() -> None:
    actor = _WriterActor(Writer)  # type: ignore[arg-type, return-value]
    with pytest.raises(RuntimeError, match="PanicException: unwrap") as raised:
        actor.ask("commit", PanicException("unwrap"))
    assert not is_out_of_reach(raised.value)
    with pytest.raises(LakeError, match="away"):
        actor.ask("commit", LakeError("away"))
