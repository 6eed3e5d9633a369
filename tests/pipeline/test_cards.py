import hashlib
import json
import subprocess
import sys

import pytest
import yaml

from pipeline.card_lock import cached_path, load_lock, overlaid
from pipeline.card_sources import READERS
from pipeline.cards import CARDS, load_card, load_cards, missing_from_cache, resolve_cards, unlocked
from pipeline.errors import UserError
from pipeline.provenance import ROOT

FRONT = {
    "pretty_name": "Test",
    "language": ["en", "tt", "nl"],
    "license": "mit",
    "task_categories": ["translation"],
    "ingest": {
        "role": "parallel",
        "source": {"kind": "debian", "packages": ["help-{source_code}", "help-{code}"]},
        "reader": {"kind": "gettext", "options": {"files": ["share/{source_code}/{code}/*.mo"]}},
        "codes": {"tt": "tt-cyrl"},
        "path_codes": {"en": "en-US"},
    },
}
ENTRY = {"name": "help-nl_1_all.deb", "version": "1", "sha256": "0" * 64, "size": 4}


def write_card(folder, name="test", prose="Some prose.", drop=(), **front):
    values = {key: value for key, value in (FRONT | front).items() if key not in drop}
    path = folder / f"{name}.md"
    path.write_text(f"---\n{yaml.safe_dump(values)}---\n## Description\n\n{prose}\n", encoding="utf-8")
    return path


def test_placeholders_are_filled_with_the_source_s_own_spelling(tmp_path):
    write_card(tmp_path)
    tatar, dutch = (resolve_cards(["test"], "en", code, {}, tmp_path)[0] for code in ("tt", "nl"))
    assert tatar.source.packages == ("help-en", "help-tt-cyrl")
    assert tatar.reader.options == {"files": ["share/en-US/tt-cyrl/*.mo"]}
    assert dutch.source.packages == ("help-en", "help-nl")
    assert dutch.languages == ("en", "nl")


def test_prose_is_not_part_of_the_recipe_and_the_licence_is(tmp_path):
    def recipe(**changes):
        write_card(tmp_path, **changes)
        return resolve_cards(["test"], "en", "nl", {"debian/help-nl": ENTRY}, tmp_path)[0].model_dump_json()

    assert recipe(prose="One.") == recipe(prose="Two --- words.\n---\n")
    assert recipe() != recipe(license="gpl-3.0")


def test_a_card_without_licence_is_named_with_the_remedy(tmp_path):
    path = write_card(tmp_path, drop=["license"])
    with pytest.raises(UserError, match="has no `license`") as caught:
        load_card(path)
    assert str(path) in str(caught.value)


def test_an_empty_licence_is_refused(tmp_path):
    with pytest.raises(UserError, match="license=''"):
        load_card(write_card(tmp_path, license=""))


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ({"language": [False]}, "quote the code"),
        ({"ingest": FRONT["ingest"] | {"source": {"kind": "ftp"}}}, "ingest.source"),
        ({"ingest": FRONT["ingest"] | {"rolle": "parallel"}}, "unknown key `ingest.rolle`"),
        (
            {"ingest": FRONT["ingest"] | {"source": {"kind": "hub", "id": "a/b", "revision": "main", "files": ["*"]}}},
            "revision='main'",
        ),
        (
            {"ingest": FRONT["ingest"] | {"reader": {"kind": "gettex"}}},
            "ingest.reader.kind: unknown reader 'gettex'. Did you mean 'gettext'? Available: dictd, gettext",
        ),
        *(
            ({"ingest": FRONT["ingest"] | {"source": {"kind": "file", "folder": "x", "files": [pattern]}}}, pattern)
            for pattern in ("/data/*.txt", "**.txt", "")
        ),
    ],
)
def test_a_faulty_card_names_file_and_key(tmp_path, front, said):
    path = write_card(tmp_path, **front)
    with pytest.raises(UserError) as caught:
        load_card(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"no front matter", b"---\n{]\n---\n", b"---\n\xff\n---\n", b"---\n- a\n---\n"])
def test_what_is_no_card_is_named(tmp_path, content):
    path = tmp_path / "odd.md"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"odd\.md"):
        load_card(path)


def test_all_faulty_cards_are_reported_together(tmp_path):
    write_card(tmp_path, "one", drop=["license"])
    write_card(tmp_path, "two", drop=["ingest"])
    with pytest.raises(UserError) as caught:
        load_cards(tmp_path)
    assert len(str(caught.value).splitlines()) == 2


def test_unknown_card_and_uncovered_language(tmp_path):
    write_card(tmp_path)
    with pytest.raises(UserError, match="Did you mean 'test'"):
        resolve_cards(["tets"], "en", "nl", {}, tmp_path)
    with pytest.raises(UserError, match="does not cover 'hy'"):
        resolve_cards(["test"], "en", "hy", {}, tmp_path)


def test_all_problems_of_the_named_cards_are_reported_together(tmp_path):
    write_card(tmp_path, "fine")
    write_card(tmp_path, "books", withdrawn="the rights' holders asked for it.")
    write_card(tmp_path, "faulty", drop=["license"])
    write_card(tmp_path, "far", language=["en", "hy"])
    with pytest.raises(UserError) as caught:
        resolve_cards(["fine", "books", "faulty", "far", "absent"], "en", "nl", {}, tmp_path)
    books, faulty, far, absent = str(caught.value).splitlines()
    assert books.startswith("data card books is withdrawn: the rights' holders asked for it. Leave it out of")
    assert "replay.cards, pivots.cards, instructions.cards or instructions.preference_cards" in books
    assert "make trace SOURCE=books" in books
    assert "has no `license`" in faulty
    assert "does not cover 'nl'" in far
    assert "unknown data card 'absent'" in absent


def test_withdrawal_without_a_reason_is_refused(tmp_path):
    with pytest.raises(UserError, match="withdrawn=''"):
        load_card(write_card(tmp_path, withdrawn=""))


def test_local_files_enter_by_content(tmp_path):
    data = tmp_path / "lines.txt"
    data.write_text("one\n")
    ingest = {"role": "monolingual", "source": {"kind": "file", "folder": str(tmp_path), "files": ["*.txt"]}}
    write_card(tmp_path, ingest=ingest | {"reader": {"kind": "text"}})
    before = resolve_cards(["test"], "en", "nl", {}, tmp_path)
    assert before[0].files[0].sha256 == hashlib.sha256(b"one\n").hexdigest()
    data.write_text("two\n")
    assert resolve_cards(["test"], "en", "nl", {}, tmp_path) != before
    data.unlink()
    with pytest.raises(UserError, match=r"no file matches \*.txt"):
        resolve_cards(["test"], "en", "nl", {}, tmp_path)


def test_a_folder_may_hold_a_language_and_all_that_are_missing_are_named(tmp_path):
    (tmp_path / "nl").mkdir()
    (tmp_path / "nl" / "lines.txt").write_text("een\n")
    for name in ("letters", "diaries"):
        source = {"kind": "file", "folder": str(tmp_path / "{code}"), "files": [f"{name}/*.txt", "lines.txt"]}
        write_card(tmp_path, name, ingest=FRONT["ingest"] | {"source": source})
    card, _ = resolve_cards(["letters", "diaries"], "en", "nl", {}, tmp_path)
    assert card.source.folder == tmp_path / "nl"
    assert [file.name for file in card.files] == ["lines.txt"]
    with pytest.raises(UserError) as caught:
        resolve_cards(["letters", "diaries"], "en", "tt", {}, tmp_path)
    letters, diaries = str(caught.value).splitlines()
    assert f"data card letters: no file matches letters/*.txt, lines.txt in {tmp_path / 'tt-cyrl'};" in letters
    assert diaries.startswith("data card diaries: no file matches")


def test_missing_counts_what_is_unpinned_absent_or_cut_short(tmp_path):
    write_card(tmp_path)
    cards = resolve_cards(["test"], "en", "nl", {"debian/help-nl": ENTRY}, tmp_path)
    assert unlocked(cards[0]) == ("debian/help-en",)
    assert missing_from_cache(cards, tmp_path) == ("debian/help-en", "debian/help-nl")
    path = cached_path(tmp_path, cards[0].files[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(b"abc")
    assert "debian/help-nl" in missing_from_cache(cards, tmp_path)
    path.write_bytes(b"abcd")
    assert missing_from_cache(cards, tmp_path) == ("debian/help-en",)


def test_an_overlay_counts_until_the_committed_lock_moves_on():
    overlay = {"x": {"sha256": "new", "replaces": "old"}, "y": {"sha256": "found", "replaces": None}}
    new, found = {"sha256": "new"}, {"sha256": "found"}
    assert overlaid({"x": {"sha256": "old"}}, overlay) == {"x": new, "y": found}
    newest = {"x": {"sha256": "newest"}, "y": {"sha256": "pinned"}}
    assert overlaid(newest, overlay) == newest


def test_a_broken_lock_is_named(tmp_path):
    broken = tmp_path / "c.json"
    broken.write_text("{")
    with pytest.raises(UserError, match=r"c\.json"):
        load_lock(broken)
    assert load_lock(tmp_path / "absent.json") == {}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"size": None}, "'debian/help-nl' (size: "),
        ({"sha256": "00"}, "'debian/help-nl' (sha256: "),
        ({"colour": "red"}, "'debian/help-nl' (colour: "),
        ("version", "'debian/help-nl' (lacks version)"),
    ],
)
def test_a_faulty_lock_entry_is_named_with_its_file(tmp_path, fault, said):
    entry = ENTRY | fault if isinstance(fault, dict) else {key: ENTRY[key] for key in ENTRY if key != fault}
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({"debian/help-en": ENTRY | {"replaces": None}, "debian/help-nl": entry}))
    with pytest.raises(UserError) as caught:
        load_lock(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_faulty_entry_of_a_lock_that_is_no_file_is_named_with_the_card(tmp_path):
    write_card(tmp_path)
    with pytest.raises(UserError, match="data card test"):
        resolve_cards(["test"], "en", "nl", {"debian/help-nl": {"name": "x"}}, tmp_path)


def test_a_card_may_name_every_reader_there_is():
    from stages.shared.readers import catalogue

    assert set(READERS) == set(catalogue.READERS)


def test_every_card_of_the_project_is_sound():
    for card in load_cards().values():
        prose = (CARDS / f"{card.name}.md").read_text(encoding="utf-8")
        for heading in ("## Description", "## Source", "## Known problems", "## Citation"):
            assert heading in prose, card.name


@pytest.mark.parametrize("path", sorted((ROOT / "conf" / "language").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_language_names_cards_that_cover_it_and_are_pinned(path):
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    lock = load_lock(CARDS / "lock.json")
    language = values["language"]
    for group in values["cards"].values():
        pivots = group.pop("pivots", {})
        names = {language["source_code"]: [name for cards in group.values() for name in cards]} | pivots
        for source, cards in names.items():
            for card in resolve_cards(dict.fromkeys(cards), source, language["code"], lock):
                assert not unlocked(card) or card.source.kind in ("opus", "hub", "wikimedia", "gutenberg")


def test_message_ids_are_no_text_of_another_language(tmp_path):
    write_card(tmp_path)
    with pytest.raises(UserError, match=r"test pairs translations with message ids, which are in 'en' and not in 'ru'"):
        resolve_cards(["test"], "ru", "tt", {}, tmp_path)
    pair = {"kind": "gettext_pair", "options": {"target_folder": "{code}", "source_folder": "{source_code}"}}
    write_card(tmp_path, ingest=FRONT["ingest"] | {"pivot_reader": pair})
    (card,) = resolve_cards(["test"], "ru", "tt", {}, tmp_path)
    assert card.reader.kind == "gettext_pair"
    assert card.reader.options == {"target_folder": "tt-cyrl", "source_folder": "ru"}
    assert resolve_cards(["test"], "en", "tt", {}, tmp_path)[0].reader.kind == "gettext"
    write_card(tmp_path, ingest=FRONT["ingest"] | {"pivot_reader": pair | {"kind": "gettext_pare"}})
    with pytest.raises(UserError, match=r"ingest.pivot_reader.kind: unknown reader 'gettext_pare'"):
        resolve_cards(["test"], "en", "tt", {}, tmp_path)


def test_planning_imports_neither_pyarrow_nor_the_hub():
    code = "import sys, pipeline.cards; print([m for m in ('torch', 'pyarrow', 'huggingface_hub') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
