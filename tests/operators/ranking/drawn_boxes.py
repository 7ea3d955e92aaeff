"""Boxes for hypothesis: anywhere in the frame, and on a coarse grid, where they touch, coincide, and have no width."""

from hypothesis import strategies as st

Box = tuple[float, float, float, float]

coordinates = st.one_of(st.floats(0, 1, width=32), st.integers(0, 4).map(lambda n: n / 4))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x0, x1 = sorted((draw(coordinates), draw(coordinates)))
    y0, y1 = sorted((draw(coordinates), draw(coordinates)))
    return x0, y0, x1, y1
