"""Who may import whom is what docs/architecture.md says."""

import ast
import re

import pytest

from pipeline.provenance import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
STAGES = sorted(path.parent.name for path in (ROOT / "stages").glob("*/stage.py"))


def said(pattern):
    """Return the names in backquotes of the one passage of the page that matches."""
    (passage,) = re.findall(pattern, PAGE, re.DOTALL)
    return set(re.findall(r"`(\w+)(?:\.py)?`", passage))


def imported(*files):
    """Return the modules that files import anywhere, within functions too."""
    found = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_stages_know_of_the_pipeline_only_what_the_architecture_says():
    used = {name.split(".")[1] for name in imported(*(ROOT / "stages").rglob("*.py")) if name.startswith("pipeline.")}
    assert used == said(r"Stages import from `pipeline` only (.*?)\. ")


def test_only_the_named_modules_of_the_pipeline_reach_stages():
    reaching = {path.stem for path in (ROOT / "pipeline").glob("*.py") if any(map(is_stage, imported(path)))}
    others = {name for name in reaching if name != "graph" and not name.endswith("_graph")}
    assert others | {"stage"} == said(r"In `pipeline/` only (.*?) reach stages")  # `stage.py` by name, at run time


def is_stage(name):
    return name.startswith("stages.")


@pytest.mark.parametrize("stage", [*STAGES, "shared"])
def test_no_stage_imports_another(stage):
    names = {name.split(".")[1] for name in imported(*(ROOT / "stages" / stage).rglob("*.py")) if is_stage(name)}
    assert names <= {stage, "shared"}
