"""Catches a checkpoint whose own Python code runs when it is described or loaded."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from operators.checkpoints.loading import read_config
from schemas.errors import ModelError
from tests.checkpoints import Checkpoints

ROOT = Path(__file__).parents[3]


def with_code(folder: Path, mark: Path, config: dict[str, object]) -> Path:
    """Writes a checkpoint whose configuration names code beside it, which would make the file `mark`."""
    folder.mkdir(exist_ok=True)
    code = "from transformers import PretrainedConfig\n"
    code += f"open({str(mark)!r}, 'w').close()\nclass Own(PretrainedConfig):\n    model_type = 'own'\n"
    (folder / "own.py").write_text(code)
    named = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", None]}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": named}))
    return folder


def test_consent_on_standard_input_runs_no_code_of_a_folder(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    folder = with_code(tmp_path / "model", mark, {"model_type": "own"})
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "models", str(folder)],
        input="y\n" * 4,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HF_HOME": str(tmp_path / "hub")},
    )
    assert not mark.exists()
    assert done.returncode == 2
    assert "needs code of its own" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_known_models_load_by_the_installed_code_alone(checkpoints: Checkpoints, tmp_path: Path) -> None:
    stated = json.loads((checkpoints("clip") / "config.json").read_text())
    mark = tmp_path / "ran"
    folder = with_code(tmp_path / "model", mark, stated)
    assert read_config(folder).model_type == "clip"
    assert not mark.exists()


def test_configurations_that_need_code_are_refused_by_name(tmp_path: Path) -> None:
    folder = with_code(tmp_path / "model", tmp_path / "ran", {"model_type": "own"})
    with pytest.raises(ModelError, match="model: it needs code of its own, which RegionLake never runs"):
        read_config(folder)


def test_no_call_leaves_the_question_of_trust_to_the_library() -> None:
    """Without the argument, `transformers` asks on standard input, and runs the code of whoever answers y."""
    unanswered = []
    for package in ("schemas", "operators", "pipeline", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    given = {each.arg: ast.unparse(each.value) for each in node.keywords}
                    asks = node.func.attr == "from_pretrained" and given.get("trust_remote_code") != "False"
                    pickled = ast.unparse(node.func) == "torch.load" and given.get("weights_only") != "True"
                    if asks or pickled:
                        unanswered.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert unanswered == []
