"""Parts of the plans of evaluations: which frames are indexed, and the static grid that proposals are compared with."""

from dataclasses import replace

from operators.keyframes.selector import KeyframeConfig
from pipeline.plan.plan import Plan

# written as settings of the command line; with 4×4 and 8×8 cells a frame has 80 regions
GRID_SETTINGS = ('proposals.use=["grid"]', "proposals.grid.cells=[4, 8]", f"proposals.refine.limit={4 * 4 + 8 * 8}")


def with_every_nth_frame(plan: Plan, *, every: int, frame_rate: float) -> Plan:
    """The plan whose keyframes are every n-th frame of a video, whatever it shows."""
    interval_s = every / frame_rate
    keyframes = KeyframeConfig(
        candidate_interval_s=interval_s, longest_interval_s=interval_s, settle_s=0.0, change=0.0, near_duplicate=0.0
    )
    # short segments, so that an interrupted measurement loses little work
    run = replace(plan.run, segment_s=10.0)
    return replace(plan, read=replace(plan.read, keyframes=keyframes), run=run)
