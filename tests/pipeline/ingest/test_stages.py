"""Catches rows that depend on which packets share a call, rows in the wrong packet, packets that are lost, and a second
pass of the backbone over a frame."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from operators.encoders.everyday import backbone
from operators.encoders.region_mode import RegionMode
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from operators.proposals.objects.config import ObjectsConfig
from operators.proposals.refine import RefineConfig
from operators.proposals.windows.grid import GridConfig
from operators.representatives.build import build_representatives
from operators.representatives.config import RepresentativesConfig
from pipeline.ingest.packets import FramePacket, PacketHead, RowPacket
from pipeline.ingest.stages import EmbedStage, ModelStages, ProposeStage
from pipeline.plan.plan import Plan, RunConfig
from schemas.boxes import Boxes
from schemas.frames import Keyframe
from schemas.patches import PatchGrid
from tests.checkpoints import Checkpoints
from tests.pipeline.lake.synthetic import World

PLAN = Plan(patches=True, proposals=ProposalConfig(use=("grid",)), regions=RegionVectorsConfig(crop_px=64))


@pytest.fixture(scope="module")
def packets() -> list[FramePacket]:
    """Three sources, pictures of two sizes, a packet without keyframes."""
    rng = np.random.default_rng(0)
    segments = [World(n).segments(1)[0] for n in range(3)]

    def packet(source: int, *sizes: tuple[int, int]) -> FramePacket:
        images = [rng.integers(0, 256, (h, w, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1) for h, w in sizes]
        keyframes = tuple(Keyframe(i, image, None, "shot") for i, image in enumerate(images))
        return FramePacket(PacketHead(segments[source], 0, 0, None), keyframes)

    return [packet(0, (9, 16), (9, 16)), packet(1), packet(2, (16, 9)), packet(1, (9, 16), (16, 9))]


def rows(plan: Plan, packets: list[FramePacket]) -> tuple[list[RowPacket], list[RowPacket]]:
    """Made of all packets at once, and of each by itself."""
    propose, embed = ProposeStage(plan), EmbedStage(plan)
    try:
        together = embed(propose(packets))
        alone = [made for packet in packets for made in embed(propose([packet]))]
    finally:
        embed.close()
    return together, alone


def vectors(column: pa.ChunkedArray) -> np.ndarray:
    values = column.combine_chunks()
    while not pa.types.is_floating(values.type):
        values = values.flatten()
    return values.to_numpy().astype(np.float32)


def test_rows_do_not_depend_on_what_shared_the_call(packets: list[FramePacket]) -> None:
    together, alone = rows(PLAN, packets)
    assert [made.head.segment.id for made in together] == [packet.head.segment.id for packet in packets]
    assert [made.frames.num_rows for made in together] == [2, 0, 1, 2]
    for both, one in zip(together, alone, strict=True):
        assert both.frames.equals(one.frames)
        assert both.regions.equals(one.regions)
        assert both.patches is not None
        assert one.patches is not None
        assert both.patches.equals(one.patches)
        assert {stage for stage, _ in both.head.busy} == {"propose", "embed"}
    assert embedded([], PLAN) == []


def embedded(packets: list[FramePacket], plan: Plan) -> list[RowPacket]:
    embed = EmbedStage(plan)
    try:
        return embed(ProposeStage(plan)(packets))
    finally:
        embed.close()


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shape of every input of the backbone."""
    seen: list[tuple[int, ...]] = []
    real = backbone._forward

    def counting(graph: str, *, threads: int) -> backbone.Forward:
        forward = real(graph, threads=threads)

        def counted(pictures: np.ndarray) -> backbone.Levels:
            seen.append(pictures.shape)
            return forward(pictures)

        return counted

    monkeypatch.setattr(backbone, "_forward", counting)
    return seen


@pytest.mark.parametrize("mode", ["pool", "both"])
def test_objects_and_vectors_of_a_frame_come_from_one_pass(
    packets: list[FramePacket], passes: list[tuple[int, ...]], mode: RegionMode
) -> None:
    objects = ObjectsConfig(map_px=448, least_score=0.0, limit=4)
    proposals = ProposalConfig.of(objects, GridConfig(cells=(2,)), refine=RefineConfig(stand_ins=()))
    plan = Plan(patches=True, proposals=proposals, regions=RegionVectorsConfig(mode=mode, crop_px=64))
    assert plan.one_pass
    stages = ModelStages(plan)
    together = stages(packets)
    of_frames = [shape for shape in passes if shape[1] * shape[2] > 64 * 64]
    assert len(of_frames) == sum(len(packet.keyframes) for packet in packets) == 5
    alone = [made for packet in packets for made in stages([packet])]
    stages.close()
    apart = embedded(packets, plan)
    for one, other, made in zip(together, alone, apart, strict=True):
        assert one.regions.equals(other.regions)
        assert one.regions.equals(made.regions)
        assert one.frames.equals(made.frames)
    assert {name for made in together for name in made.regions["proposer"].to_pylist()} >= {"objects", "grid-2"}


def test_a_map_of_another_size_for_objects_is_a_pass_of_its_own(
    packets: list[FramePacket], passes: list[tuple[int, ...]]
) -> None:
    plan = Plan(proposals=ProposalConfig.of(ObjectsConfig(map_px=256)))
    assert not plan.one_pass
    stages = ModelStages(plan)
    stages(packets)
    stages.close()
    assert len(passes) == 2 * 5


def test_maps_are_shared_with_the_model_that_makes_them_alone() -> None:
    proposals = ProposalConfig.of(ObjectsConfig())
    assert Plan(proposals=proposals).one_pass
    assert not Plan(proposals=proposals, regions=RegionVectorsConfig(mode="crop")).one_pass
    assert not Plan(proposals=proposals, model="everyday-1").one_pass
    assert not Plan(proposals=ProposalConfig(use=("grid",))).one_pass


@pytest.mark.parametrize("kind", ["clip", "dinov2"])
def test_a_checkpoints_rows_differ_in_their_last_bits_at_most(
    kind: str, packets: list[FramePacket], checkpoints: Checkpoints
) -> None:
    plan = replace(PLAN, model=str(checkpoints(kind)), run=RunConfig(compile=True))  # on a CPU nothing is compiled
    for both, one in zip(*rows(plan, packets), strict=True):
        assert both.frames.drop_columns("vector").equals(one.frames.drop_columns("vector"))
        assert both.regions.drop_columns("vector").equals(one.regions.drop_columns("vector"))
        for a, b in ((both.frames["vector"], one.frames["vector"]), (both.regions["vector"], one.regions["vector"])):
            # float16 of values below 1 whose float32 differ in the order of sums
            np.testing.assert_allclose(vectors(a), vectors(b), rtol=0, atol=2e-3)


@pytest.mark.parametrize("patches", [False, True])
def test_representatives_are_those_of_the_patches(packets: list[FramePacket], patches: bool) -> None:
    config = RepresentativesConfig(method="kmeans", count=5)
    together, alone = rows(replace(PLAN, patches=patches, representatives=config), packets)
    dense, _ = rows(replace(PLAN, patches=True), packets)
    aggregate = build_representatives(config)
    for made, one, cells in zip(together, alone, dense, strict=True):
        assert made.frames.equals(one.frames)
        assert (made.patches is not None) == patches
        assert cells.patches is not None
        for frame, grid in zip(made.frames.to_pylist(), cells.patches.to_pylist(), strict=True):
            vectors = np.array(grid["vectors"], np.float32).reshape(grid["rows"], grid["cols"], -1)
            expected = aggregate(PatchGrid(vectors), Boxes.empty())
            # the stored cells are rounded to float16: a cell between two clusters may be counted with the other
            np.testing.assert_allclose(frame["part_counts"], expected.counts, atol=3)
            np.testing.assert_allclose(np.array(frame["parts"], np.float32), expected.vectors, atol=1e-2)


def test_without_representatives_their_columns_are_empty(packets: list[FramePacket]) -> None:
    together, _ = rows(PLAN, packets)
    assert together[0].frames["parts"].null_count == 2
    assert together[0].frames["part_boxes"].null_count == 2
