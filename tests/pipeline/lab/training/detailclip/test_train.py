"""Training of the fusion from folders and lakes, and its use in an ingest and a search. Catches a run that encodes
pictures again, files that change from run to run, and fused vectors that do not come from the file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from operators.detailclip.config import DetailConfig
from operators.detailclip.cover import CoverConfig, CoverVectors
from operators.detailclip.model import load_detail_model
from operators.encoders.catalogue import load_encoder
from operators.encoders.region_vectors import RegionVectorsConfig
from operators.proposals.config import ProposalConfig
from operators.readers.picture import read_picture
from pipeline.ingest.run import ingest
from pipeline.lab.training.detailclip.fit import DetailFitConfig
from pipeline.lab.training.detailclip.train import TrainDetailConfig, train_detail
from pipeline.lake.lake import Lake
from pipeline.plan.plan import Plan
from pipeline.search.searcher import Searcher
from schemas.errors import InvalidValueError, LakeError, ModelError, QueryError, SourceError
from schemas.query import Query, WeightedMethod
from tests.checkpoints import Checkpoints

FIT = DetailFitConfig(epochs=3, warm_up_epochs=1, batch=4, width=16, heads=2, hidden=16)
COVER = CoverConfig(k=2, crop_px=32)
NAMES = ("person", "dog", "car")


@pytest.fixture(scope="module")
def model(checkpoints: Checkpoints) -> str:
    return str(checkpoints("clip"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (5, 6 + i % 2, 3), np.uint8)
        Image.fromarray(pixels).resize((48 + 8 * (i % 2), 40), Image.Resampling.NEAREST).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def config(out: Path, model: str, **changed: object) -> TrainDetailConfig:
    settings = {"classes": NAMES, "cache_dir": out.parent / "cache", "model": model, "cover": COVER, "fit": FIT}
    return TrainDetailConfig(out, **{**settings, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(pictures: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "detail.safetensors"
    report = train_detail(config(out, model, folders=(pictures,)))
    assert (report.pictures, report.classes) == (6, 3)
    assert report.windows >= 6 * 5
    return out


@pytest.fixture(scope="module")
def lake(trained: Path, pictures: Path, model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    lake = str(tmp_path_factory.mktemp("lake") / "lake")
    assert ingest([str(pictures / "*.png")], lake, plan(model, detail=str(trained))).ok
    return lake


def plan(model: str, *, detail: str = "") -> Plan:
    return Plan(
        model=model,
        detail=DetailConfig(detail),
        proposals=ProposalConfig(use=("grid",)),
        regions=RegionVectorsConfig(mode="crop", crop_px=32),
    )


def test_training_again_encodes_nothing_and_writes_the_same_file(trained: Path, pictures: Path, model: str) -> None:
    first, curve = trained.read_bytes(), trained.with_suffix(".csv").read_text()
    assert curve.splitlines()[0] == "number,learning_rate,loss,held_out_loss"
    assert len(curve.splitlines()) == 1 + FIT.epochs
    assert not trained.with_suffix(".checkpoint").exists()
    told: list[tuple[int, int]] = []
    again = config(trained, model, folders=(pictures,))
    train_detail(again, on_picture=lambda done, total: told.append((done, total)))
    assert told == [(6, 6)]  # all at the start
    assert trained.read_bytes() == first


def test_a_lake_gives_the_pictures_of_its_keyframes(lake: str, model: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = train_detail(
        config(tmp_path / "of-lake.safetensors", model, lake=lake, pictures=4),
        on_picture=lambda done, total: seen.append((done, total)),
    )
    assert report.pictures == 4
    assert seen[-1] == (4, 4)


def test_ingest_fuses_frames_as_the_file_does_and_search_ranks_by_it(lake: str, trained: Path, model: str) -> None:
    fusion = load_detail_model(trained)
    encoder = load_encoder(model)
    rows = Lake.open(lake).read("frames", columns=["id", "source", "detail", "detail_model"]).to_pylist()
    assert len(rows) == 6
    text = encoder.encode_texts(["a dog"])[0]
    distances = {}
    for row in rows:
        assert row["detail_model"] == fusion.revision
        expected = fusion(CoverVectors(COVER, encoder)([read_picture(row["source"])]))[0]
        np.testing.assert_allclose(np.array(row["detail"], np.float32), expected, atol=2e-3)  # float16 in the lake
        distances[row["id"]] = 1 - float(np.dot(np.array(row["detail"], np.float32), text))
    searcher = Searcher(Lake.open(lake), encoder)
    hits = searcher.search(Query(text="a dog", methods=(WeightedMethod("detail"),))).hits
    assert [hit.frame_id for hit in hits] == sorted(distances, key=distances.__getitem__)
    np.testing.assert_allclose([hit.distance for hit in hits], sorted(distances.values()), atol=1e-5)
    together = searcher.search(Query(text="a dog", methods=(WeightedMethod("detail"), WeightedMethod("regions"))))
    assert len(together.hits) == 6


def test_a_lake_without_fused_vectors_says_how_to_get_them(pictures: Path, model: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    ingest([str(pictures / "0.png")], lake, plan(model))
    assert Lake.open(lake).read("frames", columns=["detail"])["detail"].null_count == 1
    with pytest.raises(QueryError, match="regionlake lab train detail"):
        Searcher(Lake.open(lake), load_encoder(model)).search(Query(text="a dog", methods=(WeightedMethod("detail"),)))


def test_the_plan_s_hash_follows_the_weights_and_not_their_place(trained: Path, model: str, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.safetensors"
    copy.write_bytes(trained.read_bytes())
    assert plan(model, detail=str(copy)).hash == plan(model, detail=str(trained)).hash != plan(model).hash
    copy.write_bytes(b"other weights")
    assert plan(model, detail=str(copy)).hash != plan(model, detail=str(trained)).hash


def test_what_cannot_be_trained_or_used_is_refused(trained: Path, pictures: Path, model: str, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    with pytest.raises(InvalidValueError, match="--lake DIR or --data FOLDER"):
        config(out, model)
    with pytest.raises(InvalidValueError, match="at least 2 class names"):
        config(out, model, folders=(pictures,), classes=("dog",))
    with pytest.raises(SourceError, match="no picture to train from"):
        train_detail(config(out, model, folders=(tmp_path,)))
    with pytest.raises(LakeError, match="no lake at"):
        train_detail(config(out, model, lake=str(tmp_path / "absent")))
    with pytest.raises(ModelError, match="train another"):
        ingest([str(pictures / "0.png")], str(tmp_path / "lake"), plan("everyday", detail=str(trained)))
    with pytest.raises(ModelError, match="is not a detail model"):
        ingest([str(pictures / "0.png")], str(tmp_path / "lake"), plan(model, detail=str(tmp_path / "absent")))
