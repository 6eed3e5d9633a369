"""The whole stage on tiny models, and what the report makes of it."""

import json
import shutil
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hydra_models import EXECUTION, LANGUAGES, PAIRS, PROMPT, save_bitext, save_models
from sacrebleu.metrics import CHRF

from stages.evaluate_translation.line_sets import LineSet
from stages.evaluate_translation.matched_lines import find_matches
from stages.evaluate_translation.settings import EvaluateTranslationSettings
from stages.evaluate_translation.stage import evaluate_translation, read_sets, without_a_model
from stages.evaluate_translation.trainings import trained_alike, unequal
from stages.shared.page.environment import page_environment
from stages.shared.text_settings import LanguageSettings
from stages.shared.text_table import PAIR, write_rows
from stages.shared.words import comparable
from stages.write_report.page import TEMPLATES
from stages.write_report.table import number
from stages.write_report.translation import CALLED, above_the_floor, statements, translation_section

LINES = 6
TATAR = LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en")


def settings(tmp_path, systems, matching=None, **changes):
    scoring = {"sets": {"held_out": {"kind": "held_out", "least_words": 3}}, "only": None, "lines": LINES}
    scoring |= {"script_share": 0.5, "least_words": 5, "seed": 1, "bootstrap_samples": 50, "confidence": 0.95}
    scoring |= {"outputs": {}}
    translation = {"prompt": PROMPT, "new_tokens_per_token": 0.1, "new_tokens": 4, "limit_step": 4}
    translation |= {"batch_tokens": 4096, "threads": 1, "precision": "float32", "decoding": {"method": "greedy"}}
    return EvaluateTranslationSettings.model_validate(
        {
            "language": TATAR,
            "languages": LANGUAGES,
            "systems": systems,
            "translation": translation,
            "translation_scoring": scoring | changes,
            "matching": matching,
        }
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models = save_models(folder)
    save_bitext(folder / "bitext")
    systems = {f"system_{name}": models[name] for name in ("base", "hydra")}
    return {"bitext": folder / "bitext", "corpus": folder / "corpus", **systems}


@pytest.fixture(scope="module")
def evaluated(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "translation-0123456789ab.unfinished"
    out.mkdir()
    evaluate_translation(settings(out, ("base", "hydra")), inputs, out, EXECUTION)
    return out, json.loads((out / "translation.json").read_text())


def test_the_contract(evaluated):
    _, found = evaluated
    assert found["run"] == "0123456789ab"
    systems = [entry["system"] for entry in found["sets"]]
    assert systems == ["copy", "random_in_distribution", "base", "hydra"]
    for entry in found["sets"]:
        assert {"set", "system", "chrf", "chrf_low", "chrf_high", "bleu", "signature", "sentences"} <= set(entry)
        assert (entry["sentences"], entry["groups"]) == (LINES, found["lines"][0]["groups"])
        assert entry["chrf_low"] <= entry["chrf"] <= entry["chrf_high"]
    assert found["lines"][0]["counts"]["pairs"] >= found["lines"][0]["sentences"] == LINES


def test_the_figures_are_those_of_the_texts_beside_them(evaluated):
    out, found = evaluated
    lines = [json.loads(line) for line in (out / "translations.jsonl").read_text().splitlines()]
    references = (out / "sets/held_out.target.txt").read_text().splitlines()
    assert [line["reference"] for line in lines] == references
    assert all([line["source"], line["reference"]] in PAIRS[200:] for line in lines)
    for entry in found["sets"]:
        texts = [line["outputs"][entry["system"]] for line in lines]
        assert entry["chrf"] == CHRF().corpus_score(texts, [references]).score
    assert all(line["outputs"]["copy"] == line["source"] for line in lines)


def test_a_set_of_one_reference_has_no_floor_rather_than_its_own_reference():
    sets = {
        "one": LineSet("one", ["a"], ["x"], ["g"], {}),
        "same": LineSet("same", ["a", "b"], ["x", "x"], ["g", "g"], {}),
    }
    sets["two"] = LineSet("two", ["a", "b"], ["x", "y"], ["g", "g"], {})
    floors = [name for name, system in without_a_model(sets, 1) if system == "random_in_distribution"]
    assert floors == ["two"]


def test_every_two_systems_are_compared_in_pairs(evaluated):
    found = evaluated[1]
    pairs = {(one["system"], one["against"]) for one in found["comparisons"]}
    assert ("hydra", "base") in pairs
    assert ("base", "random_in_distribution") in pairs
    assert len(pairs) == len(found["comparisons"]) == 6
    chrf = {entry["system"]: entry["chrf"] for entry in found["sets"]}
    for one in found["comparisons"]:
        assert one["difference"] == pytest.approx(chrf[one["system"]] - chrf[one["against"]])


def test_outputs_from_a_file_are_a_row_and_the_reference_itself_wins(evaluated, inputs, tmp_path):
    made, _ = evaluated
    shutil.copyfile(made / "sets/held_out.target.txt", tmp_path / "google.txt")
    given = {"google": {"held_out": {"path": str(tmp_path / "google.txt")}}}
    out = tmp_path / "out"
    out.mkdir()
    evaluate_translation(settings(tmp_path, (), outputs=given), inputs, out, EXECUTION)
    found = json.loads((out / "translation.json").read_text())
    assert (found["sets"][-1]["system"], found["sets"][-1]["chrf"]) == ("google", 100)
    assert {one["verdict"] for one in found["comparisons"] if one["system"] == "google"} == {"better"}


def test_lines_of_back_translated_text_are_left_out(inputs, tmp_path):
    chosen = settings(tmp_path, (), lines=1000)
    before = read_sets(chosen, inputs)["held_out"]
    seen = next(text for text in before.references if len(text.split()) > 6)
    write_rows(tmp_path / "train.parquet", PAIR, [("1", "g", "c", "made by a machine", seen)])
    after = read_sets(chosen, {**inputs, "back_translation": tmp_path})["held_out"]
    assert set(before.references) - set(after.references) == {seen}


MATCHING = {"similarity": 0.2, "least_words": 2, "most_words": 60, "match": "{match_source} = {match_target}\n"}


def test_the_systems_that_learnt_so_see_the_most_similar_training_pair(evaluated, inputs, tmp_path):
    systems = {"system_hydra": inputs["system_hydra"], "system_hydra_parft_nfr": inputs["system_hydra"]}
    evaluate_translation(
        settings(tmp_path, ("hydra", "hydra_parft_nfr"), MATCHING, lines=16), inputs | systems, tmp_path, EXECUTION
    )
    found = json.loads((tmp_path / "translation.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "translations.jsonl").read_text().splitlines()]
    matched = [line for line in lines if line["match"]]
    assert found["matches"]["held_out"]["matched"] == len(matched)
    assert 0 < len(matched) < len(lines) == 16
    assert all([line["match"]["source"], line["match"]["target"]] in PAIRS[:200] for line in matched)
    # One model behind both names: only a match in the prompt can make a difference.
    differ = [line for line in lines if line["outputs"]["hydra"] != line["outputs"]["hydra_parft_nfr"]]
    assert differ
    assert all(line in matched for line in differ)
    before = [json.loads(line) for line in (evaluated[0] / "translations.jsonl").read_text().splitlines()]
    assert "match" not in before[0]


def test_no_line_sees_its_own_translation_even_where_it_is_in_the_training_pairs(inputs, tmp_path):
    chosen = settings(tmp_path, (), MATCHING | {"similarity": 0.01}, lines=1000)
    sets = read_sets(chosen, inputs)
    rows = [(str(number), "g", "c", *pair) for number, pair in enumerate(PAIRS)]
    write_rows(tmp_path / "train.parquet", PAIR, rows)
    found = find_matches(chosen, {"bitext": tmp_path}, sets)["held_out"]
    assert any(found)
    for source, reference, match in zip(sets["held_out"].sources, sets["held_out"].references, found, strict=True):
        assert match is None or (comparable(match.source) != comparable(source))
        assert match is None or (comparable(match.target) != comparable(reference))


def test_systems_tuned_on_other_pairs_are_not_compared(inputs, tmp_path):
    for digest, name in (("a", "one_parft"), ("b", "two_parft")):
        (tmp_path / name).mkdir()
        described = {"pairs_sha256": digest, "steps": 3}
        (tmp_path / name / "training.json").write_text(json.dumps(described))
    changed = inputs | {f"system_{name}": tmp_path / name for name in ("one_parft", "two_parft")}
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="one_parft, two_parft were tuned on different pairs"):
        evaluate_translation(settings(tmp_path, ("one_parft", "two_parft")), changed, tmp_path / "out", EXECUTION)


def test_matches_must_not_change_the_pairs(tmp_path):
    folders = {}
    for digest, name in (
        ("a", "hydra_parft"),
        ("a", "hydra_parft_nfr"),
        ("b", "hydra_backft"),
        ("c", "hydra_backft_nfr"),
    ):
        folders[f"system_{name}"] = tmp_path / name
        (tmp_path / name).mkdir()
        (tmp_path / name / "training.json").write_text(json.dumps({"pairs_sha256": digest, "steps": 3}))
    assert list(trained_alike(("hydra_parft", "hydra_parft_nfr", "hydra_backft"), folders)) == [
        "hydra_parft",
        "hydra_parft_nfr",
        "hydra_backft",
    ]
    with pytest.raises(ValueError, match="hydra_backft, hydra_backft_nfr were tuned on different pairs"):
        trained_alike(tuple(name.removeprefix("system_") for name in folders), folders)


def test_trainings_that_were_not_equal_are_told_in_the_figures_too(inputs, tmp_path):
    systems = {}
    for name, target in (("hydra_parft", 50_000), ("hydra_backft", 40_000)):
        systems[f"system_{name}"] = shutil.copytree(inputs["system_hydra"], tmp_path / name)
        described = {"pairs_sha256": name, "pairs": 8, "steps": 1, "bytes": {"source": 1, "target": target}}
        (tmp_path / name / "training.json").write_text(json.dumps(described))
    (tmp_path / "out").mkdir()
    chosen = settings(tmp_path, ("hydra_parft", "hydra_backft"), lines=2)
    evaluate_translation(chosen, inputs | systems, tmp_path / "out", EXECUTION)
    said = ["BackFT saw 80 % of the bytes of translations that ParFT saw"]
    assert json.loads((tmp_path / "out" / "translation.json").read_text())["unequal"] == said
    assert translation_section({"translation": tmp_path / "out"})["unequal"] == said


def rendered(section):
    environment = page_environment(TEMPLATES)
    environment.filters |= {"number": number}
    source = '{% import "translation.j2" as part %}{{ part.section(translation, language) }}'
    language = SimpleNamespace(code="tt", source_code="en")
    return " ".join(environment.from_string(source).render(translation=section, language=language).split())


def test_the_report_shows_the_table_and_the_texts(evaluated):
    section = translation_section({"translation": evaluated[0]})
    page = rendered(section)
    for shown in ("Base model, prompted", "Hydra", "Random reference", section["examples"][0]["reference"][:20]):
        assert shown in page
    best = max(entry["chrf"] for entry in evaluated[1]["sets"] if entry["system"] in ("base", "hydra"))
    assert f'<td class="best">{number(best)}</td>' in page
    compared = {frozenset((one["system"], one["against"])): one["p_value"] for one in evaluated[1]["comparisons"]}
    for row in section["tables"][0]["rows"]:
        expected = compared.get(frozenset((row["system"], "base")))
        assert (row["p_value"], expected is None) == (expected, row["system"] == "base")
        ends = f"{number(row['chrf_low'])}–{number(row['chrf_high'])}"
        assert f"<td>{ends}</td> <td>{number(expected, 3)}</td>" in page
    cut = {system: flags["unfinished"] for system, flags in evaluated[1]["flags"].items()}
    assert f"may be cut off: Base model, prompted {cut['base']}, Hydra {cut['hydra']}." in page
    assert "learnt from" not in page
    assert translation_section({}) is None


def test_the_report_shows_what_was_tuned_on_and_where_it_was_not_equal(evaluated):
    def tuned(pairs, target, **more):
        return {"pairs": pairs, "steps": -(-pairs // 8), "bytes": {"source": 4000, "target": target}, **more}

    training = {"hydra_parft": tuned(1600, 50_000), "hydra_backft": tuned(1600, 49_900, different_pairs=1600)}
    assert unequal(training) == []
    assert unequal({}) == unequal({"hydra_parft": training["hydra_parft"]}) == []
    training["hydra_backft"] = tuned(1600, 40_000, different_pairs=300)
    said = unequal(training)
    assert said == [
        "BackFT saw 80 % of the bytes of translations that ParFT saw",
        "there are 300 different back-translated pairs, which came again",
    ]
    assert unequal(training | {"hydra_backft": tuned(160, 50_000)}) == ["BackFT took 20 steps, ParFT 200"]
    section = translation_section({"translation": evaluated[0]})
    page = rendered({**section, "training": training, "unequal": said})
    assert f"learnt from. Not equal: {'; '.join(said)}</caption>" in page
    assert "<td>1,600</td> <td>200</td> <td>4.0</td> <td>50.0</td>" in page


def test_the_sentences_follow_from_the_intervals():
    def comparison(name, system, against, low, high, verdict):
        ends = {"difference_low": low, "difference_high": high, "verdict": verdict}
        return {"set": name, "system": system, "against": against, **ends}

    entries = [
        {"set": name, "system": system, "chrf": chrf}
        for name in ("own", "flores")
        for system, chrf in (("random_in_distribution", 9.0), ("base", 10.0), ("hydra", 20.0))
    ]
    compared = [
        comparison("own", "hydra", "base", 8.0, 12.0, "better"),
        comparison("flores", "hydra", "base", -1.0, 2.0, "tie"),
        comparison("flores", "base", "random_in_distribution", -1.0, 2.0, "tie"),
        comparison("flores", "hydra", "random_in_distribution", -3.0, -2.0, "worse"),
        comparison("own", "hydra", "random_in_distribution", 1.0, 2.0, "better"),
    ]
    found = {"source_language": "English", "target_language": "Dutch", "confidence": 0.95}
    found |= {"sets": entries, "comparisons": compared}
    (pieces,) = statements(found)
    assert "".join(text for text, _ in pieces) == (
        "The Hydra model is tied with the base model prompted on flores (20.0 against 10.0; −1.0 to +2.0), and better "
        "than it on own (20.0 against 10.0; +8.0 to +12.0)."
    )
    assert [verdict for _, verdict in pieces if verdict] == ["tie", "better"]
    floor = "Not better than a random reference, so hardly translating: "
    assert above_the_floor(found, ["own", "flores"]) == f"{floor}on flores every system."
    compared[2] |= {"verdict": "better"}
    assert above_the_floor(found, ["own", "flores"]) == f"{floor}on flores the Hydra model."
    compared[3] |= {"verdict": "better"}
    assert above_the_floor(found, ["own", "flores"]) == "Every model is better than a random reference on every set."


def test_one_verdict_on_several_sets_is_said_once():
    ends = {"difference_low": 1.0, "difference_high": 2.0, "verdict": "better"}
    names = ("own", "flores")
    found = {
        "sets": [{"set": name, "system": system, "chrf": 9.0} for name in names for system in ("base", "hydra")],
        "comparisons": [{"set": name, "system": "hydra", "against": "base", **ends} for name in names],
    }
    (pieces,) = statements(found)
    assert "".join(text for text, _ in pieces) == (
        "The Hydra model is better than the base model prompted on own (9.0 against 9.0; +1.0 to +2.0) and on "
        "flores (9.0 against 9.0; +1.0 to +2.0)."
    )


def test_every_two_systems_that_the_papers_order_puts_side_by_side_are_said():
    systems = ("base", "base_parft", "hydra", "hydra_parft", "hydra_backft")
    sets = [{"set": "own", "system": system, "chrf": 1.0} for system in systems]
    ends = {"difference_low": -1.0, "difference_high": 1.0, "verdict": "tie"}
    compared = [
        {"set": "own", "system": system, "against": other, **ends}
        for place, system in enumerate(systems)
        for other in systems[:place]
    ]
    found = {"source_language": "English", "target_language": "Tatar", "confidence": 0.95}
    said = "".join(text for one in statements(found | {"sets": sets, "comparisons": compared}) for text, _ in one)
    order = ("base", "base_parft", "hydra_parft", "hydra", "hydra_backft")
    for one, other in pairwise(order):
        assert any(
            f"{CALLED[system][1:]} is tied with {CALLED[against]} on own" in said
            for system, against in ((one, other), (other, one))
        )
    assert f"{CALLED['hydra_backft'][1:]} is tied with {CALLED['hydra_parft']} on own" in said
    assert f"{CALLED['hydra'][1:]} is tied with {CALLED['base_parft']} on own" in said


def test_of_one_sentence_nothing_is_said_about_the_floor():
    found = {"sets": [{"set": "own", "system": "base", "chrf": 9.0}], "comparisons": []}
    assert above_the_floor(found, ["own"]) == ""
    better = {"set": "flores", "system": "base", "against": "random_in_distribution", "verdict": "better"}
    said = above_the_floor(found | {"comparisons": [better]}, ["own", "flores"])
    assert said == "Every model is better than a random reference on every set of several lines."
