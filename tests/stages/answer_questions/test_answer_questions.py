"""The whole stage on tiny models."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra_models import EXECUTION, LANGUAGES, save_bitext, save_models

from stages.answer_questions.answer_scores import score_answer
from stages.answer_questions.likelihood import choice_nll
from stages.answer_questions.prompts import Asking
from stages.answer_questions.question_files import read_questions
from stages.answer_questions.settings import AnswerQuestionsSettings
from stages.answer_questions.stage import answer_questions
from stages.answer_questions.table import resampled_means
from stages.shared.bootstrap import Bootstrap
from stages.shared.hydra.loading import load_translator
from stages.shared.page.environment import page_environment
from stages.shared.text_settings import LanguageSettings
from stages.write_report.page import TEMPLATES
from stages.write_report.questions import question_section
from stages.write_report.table import number

TATAR = LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en")
OWN = Path("tests/data/questions")
SYSTEMS = ("base", "adapted", "hydra")
HYDRA_BASE = ("hydra", "base")


def settings(systems=SYSTEMS, **changes):
    files = {"written": "en-tt.jsonl", "chosen": "en-tt.choices.jsonl"}
    sets = {name: {"kind": "jsonl", "file": {"path": str(OWN / file)}} for name, file in files.items()}
    prompt = [("source", "{context} ="), ("target", " {question}"), ("source", " {target_language}:")]
    given = {"method": "files", "sets": sets, "shots": [0, 1], "questions": 100, "articles": [], "least_words": 9}
    given |= {"prompt": [{"language": language, "text": text} for language, text in prompt]}
    given |= {"new_tokens": 4, "batch_tokens": 4096, "precision": "float32", "threads": 1, "seed": 1}
    given |= {"decoding": {"method": "greedy"}, "bootstrap_samples": 100, "confidence": 0.95}
    values = {"language": TATAR, "languages": LANGUAGES, "systems": systems}
    return AnswerQuestionsSettings.model_validate({**values, "question_answering": given | changes})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    models = save_models(folder)
    save_bitext(folder / "bitext")
    systems = {f"system_{name}": models[name] for name in SYSTEMS}
    return {"bitext": folder / "bitext", "corpus": folder / "corpus", **systems}


@pytest.fixture(scope="module")
def answered(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "question_answering-0123456789ab.unfinished"
    out.mkdir()
    answer_questions(settings(), inputs, out, EXECUTION)
    lines = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    return json.loads((out / "question_answering.json").read_text()), lines, out


def test_every_system_has_a_row_for_each_set_and_number_of_examples(answered):
    found = answered[0]
    assert found["run"] == "0123456789ab"
    rows = [(one["set"], one["shots"], one["system"]) for one in found["scores"]]
    systems = ("random_in_distribution", *SYSTEMS)
    assert rows == [(name, shots, one) for name in ("written", "chosen") for shots in (0, 1) for one in systems]
    assert len(found["comparisons"]) == 4 * 6
    for entry in found["scores"]:
        metric = "f1" if entry["set"] == "written" else "accuracy_per_byte"
        assert entry[f"{metric}_low"] <= entry[metric] <= entry[f"{metric}_high"]
        assert entry["questions"] > entry["texts"] > 1 or entry["set"] == "chosen"


def test_the_figures_are_those_of_the_answers_beside_them(answered):
    found, lines, _ = answered
    for entry in found["scores"]:
        of_set = [line for line in lines if line["set"] == entry["set"]]
        texts = [line["written"][str(entry["shots"])][entry["system"]] for line in of_set]
        if entry["set"] == "chosen":
            right = [text == line["answers"][0] for text, line in zip(texts, of_set, strict=True)]
            assert all(text in ("", *line["choices"]) for text, line in zip(texts, of_set, strict=True))
            assert texts.count("") == entry["flags"].get("too_long", 0) < len(texts)
            assert entry["accuracy_per_byte"] == pytest.approx(100 * np.mean(right))
        else:
            scores = [score_answer(text, line["answers"], ()) for text, line in zip(texts, of_set, strict=True)]
            assert entry["f1"] == pytest.approx(100 * np.mean([score["f1"] for score in scores]))


def test_a_single_question_has_no_random_answer_rather_than_its_own(inputs, tmp_path):
    answer_questions(settings(("base",), questions=1, shots=[0]), inputs, tmp_path, EXECUTION)
    found = json.loads((tmp_path / "question_answering.json").read_text())
    rows = [(one["set"], one["system"]) for one in found["scores"]]
    assert rows == [("written", "base"), ("chosen", "random_in_distribution"), ("chosen", "base")]


def test_the_report_shows_the_figures_and_what_follows_from_them(answered):
    section = question_section({"question_answering": answered[2]})
    environment = page_environment(TEMPLATES)
    environment.filters |= {"number": number}
    source = '{% import "questions.j2" as part %}{{ part.section(questions) }}'
    page = environment.from_string(source).render(questions=section)
    best = max(entry["f1"] for entry in answered[0]["scores"] if "f1" in entry)
    for shown in ("Questions in Tatar on texts in English", "written", number(best), "Hydra"):
        assert shown in page
    verdicts = [one["verdict"] for one in answered[0]["comparisons"] if (one["system"], one["against"]) == HYDRA_BASE]
    assert [verdict for _, verdict in section["summary"] if verdict] == verdicts
    assert question_section({}) is None


def asking(folder):
    model, processor = load_translator(folder)
    return model, Asking(processor, settings().question_answering.prompt, LANGUAGES)


def test_each_part_is_written_in_its_vocabulary(inputs):
    question = read_questions(settings().question_answering.sets["written"])[0]
    model, made = asking(inputs["system_hydra"])
    ids = made.processor.encode(made.segments(question, ()))
    size = model.config.vocabulary("tt")["size"]
    # Context and instruction lie behind the rows of the output vocabulary, the question among them.
    own = [place for place, number in enumerate(ids) if number < size]
    assert made.processor.decode([ids[place] for place in own]).strip() == question.question
    assert own == list(range(own[0], own[-1] + 1))
    assert 0 < own[0] < own[-1] < len(ids) - 1
    plain = asking(inputs["system_base"])[1]
    text = plain.processor.decode(plain.processor.encode(plain.segments(question, ())))
    assert text == f"{question.context} = {question.question} Tatar:"


def test_examples_stand_before_with_their_answers(inputs):
    one, other = read_questions(settings().question_answering.sets["written"])[1:3]
    made = asking(inputs["system_base"])[1]
    text = made.processor.decode(made.processor.encode(made.segments(one, (other,))))
    expected = f"{other.context} = {other.question} Tatar: {other.answers[0]}\n\n{one.context} = {one.question} Tatar:"
    assert text == expected


@pytest.mark.parametrize("system", SYSTEMS)
def test_likelihoods_are_those_of_one_token_after_the_other(inputs, system):
    question = read_questions(settings().question_answering.sets["chosen"])[0]
    model, made = asking(inputs[f"system_{system}"])
    segments = made.segments(question, ())
    prompt = made.processor.encode(segments)
    choices = [made.processor.encode([*segments, made.answer(choice)]) for choice in question.choices]
    expected = []
    for ids in choices:
        loss = 0.0
        for place in range(len(prompt), len(ids)):
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids[:place]])).logits[0, -1]
            loss -= float(torch.log_softmax(logits, -1)[ids[place]])
        expected.append(loss)
    assert all(ids[: len(prompt)] == prompt for ids in choices)
    np.testing.assert_allclose(choice_nll(model, prompt, choices), expected, rtol=1e-4)


def test_what_does_not_fit_is_flagged_and_wrong(inputs, tmp_path):
    long = settings(("hydra",), shots=[0], prompt=[{"language": "source", "text": "{context} {question}" + " a" * 600}])
    answer_questions(long, inputs, tmp_path, EXECUTION)
    found = json.loads((tmp_path / "question_answering.json").read_text())
    for entry in found["scores"]:
        if entry["system"] == "hydra":
            assert entry["flags"] == {"too_long": entry["questions"]}
            assert entry["empty"] == entry["questions"]
            assert entry.get("f1", entry.get("accuracy")) == 0


def test_questions_on_one_text_are_drawn_together():
    scores, contexts = np.array([1.0, 1, 1, 0, 0]), np.array([0, 0, 0, 1, 1])
    means = resampled_means(scores, contexts, Bootstrap(400, 0.95, 1))
    # Of two texts there are three samples: the first twice, both, the second twice.
    assert set(means.round(6)) == {0.0, 60.0, 100.0}
    assert math.isclose((means == 60).mean(), 0.5, abs_tol=0.1)
    assert not len(resampled_means(scores, np.zeros(5, int), Bootstrap(400, 0.95, 1)))
