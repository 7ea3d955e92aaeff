"""Catches users' models that are imported because a lake names them, or that lakes store under another name."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from operators.encoders.catalogue import load_encoder, model_card, model_cards, model_text, runs_on_gpu
from schemas.errors import ModelError
from tests.plugins import GREY, install

PATH = "plugged_grey.grey:GreyConfig"
POINT = f"[regionlake.encoders]\ngrey = {PATH}\n"
Installed = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """Installs the model with this source, registered where entry points are given."""

    def put(source: str = GREY, *, points: str = "") -> None:
        monkeypatch.syspath_prepend(str(install(tmp_path / "site", "plugged_grey", {"grey.py": source}, points=points)))

    yield put
    for name in [name for name in sys.modules if name.startswith("plugged_grey")]:
        del sys.modules[name]


def test_a_registered_model_is_listed_and_loads_by_its_name(installed: Installed) -> None:
    installed(points=POINT)
    assert [card.name for card in model_cards()] == ["everyday", "everyday-1", "grey"]
    assert model_card("grey").space.model == "grey"
    assert model_text("grey") == "# Grey"
    assert type(load_encoder("grey")).__name__ == "GreyConfig"
    assert runs_on_gpu("grey")
    assert not runs_on_gpu("everyday")


def test_a_class_path_loads_for_who_wrote_it_and_not_for_a_lake(installed: Installed) -> None:
    installed()
    for ask in (load_encoder, model_card, model_text):
        with pytest.raises(ModelError, match="is not imported because a lake names it"):
            ask(PATH)
    assert "plugged_grey" not in sys.modules
    assert model_card(PATH, class_paths=True).name == "grey"
    assert type(load_encoder(PATH, class_paths=True)).__name__ == "GreyConfig"


def test_a_registered_name_goes_before_a_folder_of_that_name(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grey").mkdir()
    with pytest.raises(ModelError, match="it is no checkpoint"):
        model_card("grey")
    installed(points=POINT)
    assert model_card("grey").summary == "a shade"


def test_a_model_has_one_name(installed: Installed) -> None:
    installed(GREY.replace('VectorSpace("grey"', 'VectorSpace("gray"'))
    with pytest.raises(ModelError, match=r"the model grey has a card named 'grey'.*'gray': all three names"):
        model_card(PATH, class_paths=True)
