"""The training stage runs on a machine that has little more than torch and transformers."""

import ast
import json
import os
import re
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from training_step import artifact, make_step

from pipeline import store
from pipeline.provenance import ROOT

PROMISED = ("torch", "transformers", "accelerate", "safetensors", "numpy", "pydantic")
ALSO = ("tqdm",)
"""Of what these need themselves, what our modules import too."""


def imported(path: Path) -> set[str]:
    """Return the modules that a file names in its import statements outside of functions."""
    found, waiting = set(), list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif not isinstance(node, ast.FunctionDef):
            waiting += list(ast.iter_child_nodes(node))
    return found


def test_its_modules_import_nothing_else():
    """Quick, and blind to what is imported within functions; the slow test below runs it."""
    waiting, seen, others = ["pipeline.worker", "stages.continue_pretraining.stage"], set(), set()
    while waiting:
        name = waiting.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name not in seen and path.is_file():
            seen.add(name)
            waiting += imported(path)
        elif name.partition(".")[0] not in ("pipeline", "stages"):
            others.add(name.partition(".")[0])
    assert len(seen) > 30
    assert others - set(sys.stdlib_module_names) - {"__future__"} <= {*PROMISED, *ALSO}


def closure(names: tuple[str, ...]) -> dict[str, metadata.Distribution]:
    """Return the distributions of these names and all that they need here, without extras."""
    found, waiting = {}, list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of another platform
        if name not in found:
            found[name] = distribution
            needs = [need for need in distribution.requires or () if "extra ==" not in need]
            waiting += [re.match(r"[\w.-]+", need)[0] for need in needs]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_step_runs_without_hydra_datasets_and_wandb(tmp_path, processes):
    venv.create(tmp_path / "bare", with_pip=False)
    python = str(tmp_path / "bare" / "bin" / "python")
    (packages,) = (tmp_path / "bare" / "lib").glob("python*/site-packages")
    for distribution in closure(PROMISED).values():
        for top in {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    work = make_step(tmp_path / "artifacts", processes, tokens=500)
    step = json.loads((work / "step.json").read_text())
    step["execution"]["tracking"] = str(tmp_path / "wandb")  # as the defaults have it
    store.write_json(work / "step.json", step)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "PYTHON"))}
    missing = "from importlib.util import find_spec; print(*filter(find_spec, ['hydra', 'datasets', 'wandb', 'scipy']))"
    seen = subprocess.run([python, "-c", missing], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert seen.stdout == "\n"
    done = subprocess.run(
        [python, "-m", "pipeline.worker", str(work)], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("nothing goes to Weights & Biases") == 1
    assert store.read_manifest(artifact(work))["metrics"]["processes"] == processes
