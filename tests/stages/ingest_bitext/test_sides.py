"""Rules on each side of pairs: what is mended, what gets a placeholder, pairs whose placeholders differ."""

import json

import pyarrow.parquet as pq
import pytest
from ingest_case import CONFIG, CORPUS, DATA, DUTCH, card, execution, run_corpus, text_card

from pipeline.config import load_config
from pipeline.errors import UserError
from stages.ingest_bitext.settings import RULE_LIBRARIES, BitextSettings, IngestBitextSettings
from stages.ingest_bitext.sides import SideRules
from stages.ingest_bitext.stage import ingest_bitext
from stages.shared.documents import Segment
from stages.shared.split import SPLITS

WEB = load_config(["language=dutch", "bitext=web"]).bitext
PAIRS = [line.split("\t")[:2] for line in (DATA / "en-nl.tsv").read_text().splitlines()]
DAMAGED = "De cafÃ© naast het station is vandaag gesloten."
PRIVATE = [
    "Write to jan@example.org or call +31 20 624 1111",
    "Schrijf naar jan@example.org of bel 020 624 1111",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return run_corpus(tmp_path_factory.mktemp("corpus") / "out", text_card())


def settings(bitext, *cards):
    return IngestBitextSettings(language=DUTCH, bitext=bitext, cards=cards, decontamination=CORPUS.decontamination)


def ingest(out, corpus, pairs, **changes):
    out.mkdir()
    (out / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs))
    given = card(out, "pairs", "tsv", "parallel", files="pairs.tsv", group_lines=1)
    bitext = settings(CONFIG.bitext.model_copy(update=changes), given)
    (out / "made").mkdir()
    ingest_bitext(bitext, {"corpus": corpus}, out / "made", execution(out))
    rows = [row for split in SPLITS for row in pq.read_table(out / "made" / f"{split}.parquet").to_pylist()]
    return rows, json.loads((out / "made" / "bitext.json").read_text())


def test_both_sides_are_mended_and_without_personal_data(corpus, tmp_path):
    given = [*PAIRS, ("The cafe by the station is closed today.", DAMAGED), PRIVATE]
    rows, found = ingest(tmp_path / "on", corpus, given, rules=WEB.rules)
    texts = {row["source_text"]: row["target_text"] for row in rows}
    assert texts["The cafe by the station is closed today."] == "De café naast het station is vandaag gesloten."
    assert texts["Write to [e-mail] or call [telephone]"] == "Schrijf naar [e-mail] of bel [telephone]"
    assert found["rules"]["target"]["mojibake"] == {"lines_repaired": 1}
    assert found["rules"]["source"]["mojibake"] == {}
    for side in ("source", "target"):
        assert found["rules"][side]["personal_data"] == {"email": 1, "telephone": 1}
    plain, without = ingest(tmp_path / "off", corpus, given)
    assert DAMAGED in {row["target_text"] for row in plain}
    assert "rules" not in without
    assert len(plain) == len(rows)


def test_a_pair_s_rewriting_does_not_depend_on_its_neighbours():
    rules = SideRules(CONFIG.bitext.model_copy(update={"rules": WEB.rules}), DUTCH)
    pairs = [Segment("A line", DAMAGED), Segment("", ""), Segment(*PRIVATE), *(Segment(*pair) for pair in PAIRS[:50])]
    together = rules.rewritten(pairs)
    assert together == [rules.rewritten([pair])[0] for pair in pairs]
    assert len(together) == len(pairs)
    assert together[3:] == pairs[3:]
    assert rules.rewritten([]) == []


def test_pairs_whose_placeholders_differ_go_where_wanted(corpus, tmp_path):
    lost = ("The template $1 could not be fetched.", "Het sjabloon kon niet worden opgehaald.")
    moved = ("Page %s of %s was changed by {user}.", "{user} heeft van %2$s bladzijden nummer %1$s gewijzigd.")
    _, before = ingest(tmp_path / "off", corpus, [*PAIRS, lost, moved])
    rows, found = ingest(tmp_path / "on", corpus, [*PAIRS, lost, moved], placeholders=True)
    gone = found["cards"][0]["dropped"]["placeholders"]
    assert {"source": lost[0], "target": lost[1]}.items() <= found["examples"]["placeholders"][-1].items()
    assert moved[0] in {row["source_text"] for row in rows}
    assert before["cards"][0]["kept"] - found["cards"][0]["kept"] == gone < 10


def test_what_is_off_is_not_hashed():
    packaged, web = settings(CONFIG.bitext), settings(WEB)
    assert not {"rules", "placeholders"} & set(packaged.identity()["bitext"])
    assert "decontamination" not in packaged.identity()
    assert packaged.libraries == ()
    assert web.libraries == RULE_LIBRARIES
    assert [rule["name"] for rule in web.identity()["bitext"]["rules"]] == ["mojibake", "personal_data"]
    assert BitextSettings.model_validate(WEB.model_dump(mode="json")) == WEB


def test_rules_that_drop_are_refused_and_a_corpus_without_rules_gives_none():
    with pytest.raises(UserError, match=r"the rule 'c4' drops lines or documents.*mojibake or personal_data"):
        load_config(["language=dutch", "bitext=web", "+bitext.rules.c4=${corpus.rules.c4}", "curation=web"])
    bare = load_config(["language=dutch", "bitext=web", "curation=none"]).bitext
    assert [rule.name for rule in bare.rules] == ["mojibake"]
