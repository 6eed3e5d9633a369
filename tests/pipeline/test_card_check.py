import shutil

import pytest
import yaml

from pipeline.__main__ import main
from pipeline.card_check import check_cards
from pipeline.card_lock import load_lock
from pipeline.cards import CARDS
from pipeline.errors import UserError


@pytest.fixture
def cards(tmp_path):
    folder = tmp_path / "data_cards"
    shutil.copytree(CARDS, folder)
    return folder


def change(folder, name, **changes):
    path = folder / f"{name}.md"
    _, front, prose = path.read_text(encoding="utf-8").split("---\n", 2)
    values = yaml.safe_load(front)
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(f"---\n{yaml.safe_dump(values)}---\n{prose}", encoding="utf-8")


def problems(folder):
    with pytest.raises(UserError) as caught:
        check_cards(load_lock(CARDS / "lock.json"), folder)
    return str(caught.value).splitlines()


def test_every_card_of_the_project_is_sound_and_listed(capsys):
    assert main(["cards"]) == 0
    shown = capsys.readouterr().out
    for path in CARDS.glob("*.md"):
        assert path.stem in shown


def test_what_is_pinned_is_told_apart():
    pinned = {card.name: pinned for card, pinned in check_cards(load_lock(CARDS / "lock.json"))}
    assert pinned["mediawiki_ui"] == "yes"
    assert pinned["wikipedia"] == "by commit"
    assert pinned["sample_text"] == "by content"
    assert pinned["staatsblad"] in ("not here", "by content")
    assert pinned["nllb"].startswith("0 of ")


def test_all_faults_of_all_cards_are_reported_together(cards):
    change(cards, "vlc_ui", ingest__reader__options={"file": "*.mo", "accelerators": "&"})
    change(cards, "udhr", ingest__role="monolingual")
    change(cards, "nllb", license="")
    prose = cards / "django_ui.md"
    prose.write_text(prose.read_text(encoding="utf-8").replace("## Known problems", "## Problems"), encoding="utf-8")
    found = problems(cards)
    assert len(found) == 4
    for name, said in (
        ("django_ui", "no section `## Known problems`"),
        ("nllb", "license=''"),
        ("udhr", "reader 'udhr' reads pairs, but `role` is monolingual"),
        ("vlc_ui", "'gettext' takes: files, accelerators"),
    ):
        assert any(str(cards / f"{name}.md") in line and said in line for line in found), name


def test_codes_that_make_no_source_are_found(cards):
    change(cards, "firefox_ui", ingest__codes={"fy": None})
    assert "firefox_ui" in problems(cards)[0]


def test_a_withdrawn_card_is_no_fault_and_says_why(cards):
    change(cards, "udhr", withdrawn="for a test")
    checked = {card.name: card for card, _ in check_cards({}, cards)}
    assert checked["udhr"].withdrawn == "for a test"
