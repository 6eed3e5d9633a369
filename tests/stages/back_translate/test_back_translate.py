"""Clean lines with machine-made sources, by a tiny Hydra model, a plain one, and files."""

import json

import pytest
from hydra_models import EXECUTION, LANGUAGES, PAIRS, PROMPT, save_bitext, save_models
from pydantic import ValidationError

from pipeline.errors import UserError
from stages.back_translate.settings import BackTranslateSettings, ModelBackTranslation
from stages.back_translate.stage import back_translate, draw_lines
from stages.shared.text_table import read_rows

TRANSLATION = {"prompt": PROMPT, "new_tokens_per_token": 0.1, "new_tokens": 4, "limit_step": 4, "batch_tokens": 4096}
TRANSLATION |= {"threads": 1, "precision": "float32", "decoding": {"method": "greedy"}}
DRAWN = {"lines": 8, "seed": 1, "least_words": 3, "most_words": 12}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_bitext(folder / "bitext")
    return save_models(folder) | {"corpus": folder / "corpus"}


def run(given, inputs, out, translation=TRANSLATION):
    out.mkdir()
    settings = BackTranslateSettings(back_translation=given, translation=translation, languages=LANGUAGES)
    counts = back_translate(settings, inputs, out, EXECUTION)
    assert counts == json.loads((out / "back_translation.json").read_text())
    return counts, list(read_rows(out / "train.parquet", ["source_text", "target_text"]))


@pytest.mark.parametrize("method", ["base", "hydra"])
def test_a_model_writes_the_sources_of_real_lines(made, tmp_path, method):
    inputs = {"model": made[method], "corpus": made["corpus"]}
    counts, pairs = run(DRAWN | {"method": method}, inputs, tmp_path / "out")
    targets = {target for _, target in PAIRS[:200]}
    assert counts["lines"] == DRAWN["lines"]
    assert 0 < counts["kept"] == len(pairs) <= DRAWN["lines"]
    assert all(source.strip() and source != target and target in targets for source, target in pairs)
    assert run(DRAWN | {"method": method}, inputs, tmp_path / "again") == (counts, pairs)


def test_files_give_their_pairs_without_copies_and_gaps(tmp_path):
    for name, lines in (("source", ["A house", "", "Йорт бар"]), ("target", ["Йорт", "Китап", "йорт  бар"])):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = {"method": "file", "source": {"path": tmp_path / "source"}, "target": {"path": tmp_path / "target"}}
    counts, pairs = run(given, {}, tmp_path / "out", None)
    assert pairs == [("A house", "Йорт")]
    assert (counts["lines"], counts["kept"]) == (3, 1)
    (tmp_path / "source").write_text("Йорт\nКитап\nйорт бар\n", encoding="utf-8")
    with pytest.raises(UserError, match="none of 3 lines has a translation"):
        run(given, {}, tmp_path / "none", None)


def test_lines_are_drawn_by_the_seed_whatever_their_order():
    given = ModelBackTranslation(method="base", lines=5, seed=1, least_words=2, most_words=9)
    lines = [target for _, target in PAIRS]
    drawn = draw_lines(lines, given)
    assert drawn == draw_lines([*lines[::-1], *lines], given)
    assert drawn != draw_lines(lines, given.model_copy(update={"seed": 2}))
    assert len(drawn) == 5
    assert all(2 <= len(line.split()) <= 9 for line in drawn)
    with pytest.raises(ValidationError, match="most_words=1 is less than least_words=2"):
        ModelBackTranslation(method="base", lines=5, seed=1, least_words=2, most_words=1)
