"""Plans of the evaluations: which frames are indexed, and the static grid that proposals are compared with."""

from dataclasses import replace

from operators.keyframes.selector import KeyframeConfig
from pipeline.plan.plan import Plan

# as the settings that one would write: at 4×4 and 8×8 cells a frame has 80 regions
GRID_SETTINGS = ('proposals.use=["grid"]', "proposals.grid.cells=[4, 8]", f"proposals.refine.limit={4 * 4 + 8 * 8}")


def with_every_nth_frame(plan: Plan, *, every: int, frame_rate: float) -> Plan:
    """The plan that keeps every n-th frame of a video, whatever it shows."""
    interval_s = every / frame_rate
    keyframes = KeyframeConfig(
        candidate_interval_s=interval_s, longest_interval_s=interval_s, settle_s=0.0, change=0.0, near_duplicate=0.0
    )
    # short segments: a measurement that was stopped goes on where it was
    run = replace(plan.run, segment_s=10.0)
    return replace(plan, read=replace(plan.read, keyframes=keyframes), run=run)
