"""answer_questions: questions in the new language on texts in the base model's, with two vocabularies in one prompt."""

import json
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from pipeline.stage import Execution, Metrics
from stages.answer_questions.answers import Answerer, Answers, random_answers
from stages.answer_questions.prompts import Asking
from stages.answer_questions.question_files import read_questions
from stages.answer_questions.question_sets import AskedSet, Drawing, select
from stages.answer_questions.settings import AnswerQuestionsSettings
from stages.answer_questions.table import Outcome, compare_systems, table_rows
from stages.shared.artifact import run_id, write_json
from stages.shared.bootstrap import Bootstrap
from stages.shared.hydra.loading import load_translator
from stages.shared.translation.prompts import check_languages

FLOOR = "random_in_distribution"


def answer_questions(
    settings: AnswerQuestionsSettings, inputs: Mapping[str, Path], out: Path, execution: Execution
) -> Metrics:
    """Write question_answering.json (figures) and answers.jsonl (a line a question, with every system's answer).

    Inputs: `corpus` and `bitext`, in whose training text no question may stand, and `system_<name>` for each model. A
    system of one vocabulary reads everything with it. First in the table comes what answers at random.
    """
    given = settings.question_answering
    sets = read_sets(settings, inputs)
    bootstrap = Bootstrap(given.bootstrap_samples, given.confidence, given.seed)
    found: dict[tuple[str, int, str], Answers] = {
        (name, shots, FLOOR): random_answers(asked, given)
        for name, asked in sets.items()
        if asked.chosen_from or len(asked.questions) > 1  # else there is no other answer
        for shots in given.shots
    }
    seconds = {}
    for system in settings.systems:
        began = perf_counter()
        found |= answer_sets(system, inputs[f"system_{system}"], settings, sets, execution)
        seconds[system] = round(perf_counter() - began, 1)
    outcome = {key: found[key] for key in sorted(found, key=lambda key: (list(sets).index(key[0]), key[1]))}
    entries = table_rows(outcome, sets, bootstrap)
    described = {
        "run": run_id(out),
        "source_language": settings.languages.source.english_name,
        "target_language": settings.languages.target.english_name,
        "decoding": given.decoding.model_dump(mode="json"),
        "confidence": given.confidence,
        "scores": entries,
        "comparisons": compare_systems(outcome, sets, bootstrap),
        "sets": [asked.described() for asked in sets.values()],
    }
    write_json(out / "question_answering.json", described)
    write_answers(outcome, sets, out / "answers.jsonl")
    shown = {f"{e['set']}/{e['shots']}/{e['system']}": e.get("f1", e.get("accuracy_per_byte")) for e in entries}
    return {"scores": shown, "seconds": seconds}


def read_sets(settings: AnswerQuestionsSettings, inputs: Mapping[str, Path]) -> dict[str, AskedSet]:
    """Return the questions of each set, none of which stands in training text."""
    given = settings.question_answering
    trained_on = [(inputs["corpus"] / "train.parquet", "text"), (inputs["bitext"] / "train.parquet", "target_text")]
    drawing = Drawing(given.questions, max(given.shots), given.seed, given.least_words)
    return {name: select(name, read_questions(one), trained_on, drawing) for name, one in given.sets.items()}


def answer_sets(
    system: str,
    folder: Path,
    settings: AnswerQuestionsSettings,
    sets: Mapping[str, AskedSet],
    execution: Execution,
) -> dict[tuple[str, int, str], Answers]:
    """Return one model's answers to all sets."""
    given = settings.question_answering
    model, processor = load_translator(folder, given.precision, execution.device, given.threads)
    check_languages(processor, settings.languages)
    answerer = Answerer(model, Asking(processor, given.prompt, settings.languages), given)
    return {
        (name, shots, system): answerer.answer(asked, shots) for name, asked in sets.items() for shots in given.shots
    }


def write_answers(outcome: Outcome, sets: Mapping[str, AskedSet], path: Path) -> None:
    """Write one line of JSON for each question of each set; answers by number of examples and system."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for name, asked in sets.items():
            for number, question in enumerate(asked.questions):
                texts: dict[str, dict[str, str]] = {}
                for (of_set, shots, system), answers in outcome.items():
                    if of_set == name:
                        texts.setdefault(str(shots), {})[system] = answers.texts[number]
                line: dict[str, Any] = {"set": name, "id": question.id, "context": question.context}
                line |= {"question": question.question, "answers": question.answers, "choices": question.choices}
                file.write(json.dumps(line | {"written": texts}, ensure_ascii=False) + "\n")
