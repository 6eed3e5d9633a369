"""Conversations and preferences out of cards: layouts, what is left out, the split, and what wrong rows are told."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest_case import DATA, DUTCH, execution

from pipeline.card_sources import FileSource
from pipeline.cards import Reader, ResolvedCard, load_card
from pipeline.errors import UserError
from stages.ingest_instructions.conversation import Conversation, Turn, checked, clean
from stages.ingest_instructions.settings import IngestInstructionsSettings, ReadingSettings
from stages.ingest_instructions.stage import ingest_instructions, split_name
from stages.shared.readers.broken import BrokenInput

CARDS = Path(__file__).parents[3] / "data_cards"
QUESTIONS = {
    "files": "*.nl.html",
    "section": "//div[@class='section']",
    "heading": "./div[@class='titlepage']",
    "key": "string(./div[@class='titlepage']//a/@id)",
    "worse_files": None,
}


def card(folder, kind="jsonl", role="instructions", columns=None, **options):
    return ResolvedCard(
        name="chats",
        role=role,
        licence="mit",
        languages=("en", "nl"),
        source=FileSource(kind="file", folder=str(folder), files=("*",)),
        reader=Reader(kind=kind, options=options or {"files": "*.jsonl"}),
        columns={"messages": "messages"} if columns is None else columns,
        files=(),
    )


@pytest.fixture
def ingest(tmp_path):
    """Run the stage on some cards; the corpus holds out one sentence, and trains on another, or on `trained_on`."""

    def run(*cards, on_broken="stop", share=0.25, trained_on="Hierop is geoefend.", **benchmarks):
        corpus, out = tmp_path / "corpus", tmp_path / "out"
        for folder in (corpus, out):
            folder.mkdir(exist_ok=True)
        held_out = "Deze zin wordt door het corpus achtergehouden en staat nergens anders."
        for name in ("validation", "test"):
            pq.write_table(pa.table({"text": [held_out]}), corpus / f"{name}.parquet")
        pq.write_table(pa.table({"text": [trained_on]}), corpus / "train.parquet")
        reading = {"validation_share": share, "seed": 1, "on_broken": on_broken}
        values = {"language": DUTCH, "role": cards[0].role, "reading": reading, "cards": cards}
        values["decontamination"] = {"benchmarks": benchmarks, "least_words": 5}
        settings = IngestInstructionsSettings.model_validate(values)
        metrics = ingest_instructions(settings, {"corpus": corpus}, out, execution(tmp_path))
        tables = {name: pq.read_table(out / f"{name}.parquet").to_pylist() for name in ("train", "validation")}
        return tables, json.loads((out / "instructions.json").read_text(encoding="utf-8")), metrics

    return run


def write(folder, *rows):
    folder.mkdir(exist_ok=True)
    lines = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(lines, encoding="utf-8")
    return folder


def chat(question, *more):
    roles = ("user", "assistant")
    turns = [{"role": roles[number % 2], "content": text} for number, text in enumerate((question, *more))]
    return {"messages": turns}


def both(tables):
    return [*tables["train"], *tables["validation"]]


def test_the_samples_become_tables_of_one_schema(ingest):
    tables, summary, metrics = ingest(card(DATA, files="instructions.jsonl"))
    assert metrics["rows"] == {name: len(rows) for name, rows in tables.items()} == summary["rows"]
    assert sum(metrics["rows"].values()) == 51
    row = tables["train"][0]
    assert row.keys() == {"id", "card", "licence", "messages", "rejected"}
    assert (row["card"], row["licence"], row["rejected"]) == ("chats", "mit", None)
    assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]


def test_a_preference_keeps_the_worse_answer_and_a_question_is_on_one_side_of_the_split_whatever_the_card(ingest):
    conversations = ingest(card(DATA, files="instructions.jsonl"))[0]
    columns = {key: key for key in ("prompt", "chosen", "rejected")}
    preferences = ingest(card(DATA, role="preferences", columns=columns, files="preferences.jsonl"))[0]
    for name in ("train", "validation"):
        questions = [[row["messages"][0]["content"] for row in tables[name]] for tables in (conversations, preferences)]
        assert questions[0] == questions[1]
    assert all(row["rejected"] and row["rejected"] != row["messages"][-1]["content"] for row in both(preferences))


def test_sides_that_are_lists_of_turns(ingest, tmp_path):
    turns = [chat(f"vraag {n}", "hallo", "en dan?", "goed")["messages"] for n in range(30)]
    rows = [{"chosen": one, "rejected": [*one[:-1], {"role": "assistant", "content": "slecht"}]} for one in turns]
    columns = {"chosen": "chosen", "rejected": "rejected"}
    tables, _, _ = ingest(card(write(tmp_path / "in", *rows), role="preferences", columns=columns))
    assert len(both(tables)) == 30
    assert all(row["rejected"] == "slecht" and len(row["messages"]) == 4 for row in both(tables))


def test_a_worse_answer_holds_no_held_out_text_either(ingest, tmp_path):
    said = "Deze zin wordt door het corpus achtergehouden en staat nergens anders."
    rows = [{"prompt": f"vraag {n}", "chosen": "goed", "rejected": said if n == 7 else "slecht"} for n in range(30)]
    columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
    tables, summary, _ = ingest(card(write(tmp_path / "in", *rows), role="preferences", columns=columns))
    assert len(both(tables)) == 29
    assert summary["cards"][0]["dropped"] == {"held_out_text": 1}


def test_instruction_with_context_in_parquet(ingest, tmp_path):
    (tmp_path / "in").mkdir()
    rows = [{"instruction": f"Vat {n} samen.", "input": "Tekst." if n else None, "output": "Kort."} for n in range(60)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "rows.parquet")
    columns = {"prompt": "instruction", "context": "input", "answer": "output"}
    tables, _, _ = ingest(card(tmp_path / "in", "parquet", columns=columns, files="*.parquet"))
    asked = {row["messages"][0]["content"] for row in both(tables)}
    assert {"Vat 0 samen.", "Vat 1 samen.\n\nTekst."} <= asked


def test_a_row_of_parquet_that_is_not_utf_8_is_named(ingest, tmp_path):
    (tmp_path / "in").mkdir()
    answers = pa.array([b"Kort.", b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"instruction": ["Een?", "Twee?"], "output": answers}), tmp_path / "in" / "rows.parquet")
    columns = {"prompt": "instruction", "answer": "output"}
    with pytest.raises(UserError, match=r"rows\.parquet: row 2, byte 4: invalid UTF-8"):
        ingest(card(tmp_path / "in", "parquet", columns=columns, files="*.parquet"))


def test_duplicates_empty_turns_and_held_out_text_are_left_out_and_counted(ingest, tmp_path):
    good = [chat(f"vraag {n}?", f"antwoord {n} met woorden") for n in range(20)]
    said = "Deze zin wordt door het corpus achtergehouden en staat nergens anders."
    rows = [*good, good[3], chat("leeg?", " "), chat("wat zegt het corpus?", f"Dit.\n{said}")]
    tables, summary, _ = ingest(card(write(tmp_path / "in", *rows)))
    assert len(both(tables)) == 20
    assert summary["cards"][0] == {
        "name": "chats",
        "licence": "mit",
        "words": 20 * 6,
        "rows": 23,
        "kept": 20,
        "dropped": {"duplicate": 1, "empty_turn": 1, "held_out_text": 1},
    }


QUOTED = "De kat krabt de krullen van de trap."


def test_a_measured_answer_that_is_in_the_corpus_training_text_is_left_out(ingest, tmp_path):
    said = [f"Antwoord {word} is nergens anders te lezen." for word in ("een", "twee", "drie", "vier")]
    rows = [chat(f"vraag {n}", f"{QUOTED} Of niet?\n{said[n % 4]}") for n in range(30)]
    rows += [chat(f"korte vraag {n}", "Ja, dat klopt.") for n in range(30)]  # too few words to tell
    folder = card(write(tmp_path / "in", *rows))
    before, plain, _ = ingest(folder)
    tables, summary, metrics = ingest(folder, trained_on=f"Bij het raam.\nZo gaat dat. {QUOTED} Ja, dat klopt.")
    assert tables["train"] == before["train"]
    assert plain["cards"][0]["dropped"] == {}
    unknown = [row for row in before["validation"] if QUOTED not in row["messages"][1]["content"]]
    assert 0 < len(unknown) < len(before["validation"])
    assert tables["validation"] == unknown
    dropped = {"in_training_text": len(before["validation"]) - len(unknown)}
    assert summary["cards"][0]["dropped"] == dropped
    assert summary["rows"] == metrics["rows"] == {"train": len(before["train"]), "validation": len(unknown)}


def test_a_benchmark_is_in_no_row_that_is_trained_on(ingest, tmp_path):
    quiz = tmp_path / "quiz.txt"
    quiz.write_text(f"Hoeveel poten heeft een spin?\n{QUOTED}\n")
    rows = [chat(f"vraag {n}", f"antwoord {n}") for n in range(40)]
    rows += [chat(f"Zeg mij: {n}. hoeveel poten heeft een spin?", "Acht.") for n in range(20)]
    rows += [chat(f"raadsel {n}", "Zo?", "en dan", QUOTED.upper()) for n in range(20)]
    folder = card(write(tmp_path / "in", *rows))
    before, _, _ = ingest(folder)
    tables, summary, _ = ingest(folder, quiz={"path": str(quiz)})
    left = [row for row in before["train"] if row["messages"][0]["content"].startswith("vraag")]
    assert 0 < len(left) < len(before["train"])
    assert tables == {"train": left, "validation": before["validation"]}
    gone = len(before["train"]) - len(left)
    assert summary["cards"][0]["dropped"] == {"benchmark": gone}
    assert summary["benchmarks"]["lines"] == {"quiz": gone}
    assert {(one["entry"], one["line"][:7]) for one in summary["benchmarks"]["listed"]} == {
        (1, "Zeg mij"),
        (2, "DE KAT "),
    }


def test_a_worse_answer_is_held_against_benchmarks_too(ingest, tmp_path):
    (tmp_path / "quiz.txt").write_text(f"{QUOTED}\n")
    rows = [{"prompt": f"vraag {n}", "chosen": "goed", "rejected": QUOTED if n % 2 else "slecht"} for n in range(40)]
    columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
    folder = card(write(tmp_path / "in", *rows), role="preferences", columns=columns)
    tables, _, _ = ingest(folder, trained_on=QUOTED, quiz={"path": str(tmp_path / "quiz.txt")})
    assert {row["rejected"] for row in both(tables)} == {"slecht"}


def test_an_unanswered_last_question_is_cut_off():
    turns = [Turn("system", "s"), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "dank")]
    assert checked(turns, "here") == tuple(turns[:3])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", r"rows.jsonl: line 3: not JSON"),
        (
            {"turns": []},
            r"rows.jsonl: row 3: no column 'messages' \(there is: turns\); correct the data card's `columns`",
        ),
        ({"messages": "hallo"}, r"row 3: holds str, not a list of turns; correct"),
        ({"messages": [{"role": "user"}]}, r"row 3: turn 1 is no \{role, content\}"),
        ({"messages": [{"role": "user", "content": 3}]}, r"row 3: turn 1: holds int, not text"),
        ({"messages": [{"role": "bot", "content": "a"}]}, r"unknown role 'bot'; allowed are system, user, assistant"),
        (chat("alleen een vraag"), r"row 3: its turns are user; user and assistant must alternate"),
    ],
)
def test_a_wrong_row_says_what_where_and_what_to_do_or_is_counted(ingest, tmp_path, row, told):
    good = [chat(f"vraag {n}?", f"antwoord {n}") for n in range(20)]
    folder = write(tmp_path / "in", *good[:2], row, *good[2:])
    with pytest.raises(UserError, match=told):
        ingest(card(folder))
    tables, summary, _ = ingest(card(folder), on_broken="skip")
    assert len(both(tables)) == 20
    assert summary["broken"]["rows"] == 1


def test_a_preference_about_two_conversations_is_refused(ingest, tmp_path):
    row = {"chosen": chat("a", "b")["messages"], "rejected": chat("c", "d")["messages"]}
    columns = {"chosen": "chosen", "rejected": "rejected"}
    with pytest.raises(UserError, match=r"row 1: chosen and rejected differ before their last turn; correct the row"):
        ingest(card(write(tmp_path / "in", row), role="preferences", columns=columns))


def test_wrong_cards_are_refused(ingest, tmp_path):
    folder = write(tmp_path / "in", chat("a", "b"))
    with pytest.raises(UserError, match="`columns` names text; instructions need `messages`, or `prompt` and `answer`"):
        ingest(card(folder, columns={"text": "text"}))
    with pytest.raises(UserError, match="reader 'text' reads text, not questions and answers"):
        ingest(card(folder, "text", files="*", documents="lines"))
    with pytest.raises(UserError, match=r"no row is left for .* of the instructions in chats \(1 rows in all\)"):
        ingest(card(folder))
    with pytest.raises(UserError, match=r"chats is monolingual, not instructions; remove it from instructions\.cards"):
        ingest(card(folder), card(folder, role="monolingual"))


def test_questions_on_pages_with_their_worse_answers(ingest):
    folder = DATA / "readers" / "questions"
    pages = card(folder, "html_questions", "preferences", {}, **QUESTIONS | {"worse_files": "*.en.html"})
    rows = {row["id"].rpartition("#")[2]: row for row in both(ingest(pages, share=0.5)[0])}
    assert rows.keys() == {"non-debian-kernel", "customkernel", "modules", "removeoldkernel", "moreinfo"}
    asked, answered = rows["moreinfo"]["messages"]
    assert asked["content"] == "Waar vindt ik meer informatie over Linux-pakketten voor Debian?"  # without its number
    assert "Debian" in answered["content"]
    assert rows["removeoldkernel"]["rejected"].startswith("Yes.")


def test_the_packaged_cards_are_what_the_stage_reads():
    options = load_card(CARDS / "debian_faq.md").ingest.reader.options
    assert options == QUESTIONS | {"files": "usr/share/doc/debian/FAQ/{code}/*.{code}.html"}


@given(st.text())
def test_a_cleaned_text_stays_as_it_is(text):
    assert clean(clean(text)) == clean(text)


@given(st.text(min_size=1), st.integers(0, 3))
def test_the_split_depends_on_the_first_question_only(question, more):
    reading = ReadingSettings(validation_share=0.5, seed=1, on_broken="stop")
    turns = (Turn("user", question), Turn("assistant", "a")) * (more + 1)
    short = Conversation("x", turns[:2], None)
    assert split_name(short, reading) == split_name(Conversation("y", turns, "worse"), reading)


def test_broken_rows_know_that_only_they_are_lost():
    with pytest.raises(BrokenInput) as fault:
        checked([], "here")
    assert fault.value.lost == "document"
