import json

import pytest

from pipeline import store
from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.trace import trace


def made(artifacts, name, cards=(), inputs=(), attempt="", removed=False):
    """Write an artifact as a run leaves it, and return its fingerprint."""
    settings = {"cards": [{"name": card} for card in cards]} if cards else {}
    recipe = {"name": name, "settings": settings, "inputs": {str(number): one for number, one in enumerate(inputs)}}
    fingerprint = store.fingerprint(recipe)
    folder = artifacts / "dutch" / f"{name}-{fingerprint[: store.SHORT]}"
    work = folder.parent / store.STEPS / folder.name
    work.mkdir(parents=True)
    (work / "step.json").write_text(json.dumps({"recipe": recipe, "fingerprint": fingerprint}))
    if removed:
        return fingerprint
    if attempt:
        folder.with_name(f"{folder.name}.{attempt}").mkdir()
        return fingerprint
    store.prepare(folder, resumes=False)
    started = "2026-11-21T10:00:00+00:00"
    store.publish(folder, {"fingerprint": fingerprint, "recipe": recipe, "started": started})
    return fingerprint


@pytest.fixture
def chain(tmp_path):
    """A corpus of two cards, of which one goes on into a model; beside it a bitext of a third."""
    corpus = made(tmp_path, "corpus", cards=["udhr", "vlc_ui"])
    bitext = made(tmp_path, "bitext", cards=["nllb"], inputs=[corpus])
    tokenizer = made(tmp_path, "tokenizer", inputs=[corpus], removed=True)
    model = made(tmp_path, "adapted_model", inputs=[tokenizer, bitext])
    failed = made(tmp_path, "evaluation", inputs=[model], attempt="failed-1")
    other = made(tmp_path, "initialized_model", cards=["django_ui"])
    run = tmp_path / "dutch" / "runs" / "one" / "run.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"fingerprints": {"corpus": corpus, "adapted_model": model}}))
    return {"corpus": corpus, "bitext": bitext, "model": model, "failed": failed, "other": other}


def test_a_source_is_followed_through_every_input_even_a_removed_one(tmp_path, chain):
    found = trace(tmp_path, "udhr")
    assert {one.fingerprint for one in found.made} == {chain[name] for name in ("corpus", "bitext", "model", "failed")}
    assert [one.fingerprint for one in found.made if one.is_model] == [chain["model"]]
    assert {one.fingerprint: one.state for one in found.made}[chain["failed"]] == "failed-1"
    assert found.runs == {chain["corpus"]: ("dutch/one",), chain["model"]: ("dutch/one",)}
    assert {one.fingerprint for one in trace(tmp_path, "nllb").made} == {
        chain[name] for name in ("bitext", "model", "failed")
    }


def test_the_command_names_path_date_run_and_fingerprint(tmp_path, chain, capsys):
    assert main(["trace", "--source", "udhr", "--args", f"machine.artifacts={tmp_path}"]) == 0
    shown = capsys.readouterr().out
    assert f"dutch/adapted_model-{chain['model'][: store.SHORT]}" in shown
    assert "2026-11-21 10:00" in shown
    assert "dutch/one" in shown
    cells = [line.split("│")[-2].strip() for line in shown.splitlines() if line.startswith("│")]
    assert chain["model"] in "".join(cells)
    assert "4 artifacts" in shown
    assert "1 of them models" in shown


def test_a_source_that_nothing_contains_is_said_so(tmp_path, chain, capsys):
    assert main(["trace", "--source", "wikipedia", "--args", f"machine.artifacts={tmp_path}"]) == 0
    assert "No artifact" in capsys.readouterr().out


def test_an_unknown_source_is_an_error_with_a_suggestion(tmp_path, chain, capsys):
    assert main(["trace", "--source", "wikipeda", "--args", f"machine.artifacts={tmp_path}"]) == 2
    assert "unknown source 'wikipeda'. Did you mean 'wikipedia'?" in capsys.readouterr().err


def test_a_card_that_is_gone_is_still_found_in_what_it_made(tmp_path):
    made(tmp_path, "corpus", cards=["old_card"])
    assert len(trace(tmp_path, "old_card").made) == 1


def test_what_nobody_can_tell_is_said(tmp_path):
    made(tmp_path, "adapted_model", inputs=["0" * 64])
    found = trace(tmp_path, "udhr")
    assert (len(found.made), len(found.untold)) == (0, 1)


def test_a_damaged_record_is_named(tmp_path, chain):
    next((tmp_path / "dutch" / store.STEPS).glob("tokenizer-*/step.json")).write_text("{")
    with pytest.raises(UserError, match=r"step\.json is damaged"):
        trace(tmp_path, "udhr")
