"""Catches a PTS that is found in the wrong span, in another source, or past the end of its span."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lake.spans import SpanIndex

# far apart, negative, and at the ends of what a PTS can be
PTS = st.integers(-6, 6) | st.sampled_from([-(2**62), 2**62, 2**33])


@st.composite
def disjoint_spans(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    spans = []
    for source in draw(st.lists(st.integers(0, 3), unique=True)):
        edges = sorted(draw(st.lists(PTS, unique=True, max_size=8)))
        spans += [(source, a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    return draw(st.permutations(spans))


@given(spans=disjoint_spans(), wanted=st.lists(st.tuples(st.integers(0, 4), PTS), max_size=20))
def test_a_pts_is_found_in_the_span_that_holds_it(
    spans: list[tuple[int, int, int]], wanted: list[tuple[int, int]]
) -> None:
    columns = np.array(spans, np.int64).reshape(-1, 3).T
    index = SpanIndex(source=columns[0], start=columns[1], stop=columns[2])
    rows = np.array(wanted, np.int64).reshape(-1, 2).T
    expected = [
        next((i for i, (s, start, stop) in enumerate(spans) if s == source and start <= pts < stop), -1)
        for source, pts in wanted
    ]
    assert index.find(source=rows[0], pts=rows[1]).tolist() == expected
