"""The rules together: order, counts, what stays; and that documents do not know of each other."""

import math

import pytest
from curation_case import DUTCH, KLINGON, TATAR, one, pages, rules, web
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from stages.shared.curation.catalogue import RULES
from stages.shared.curation.curate import curate, notes
from stages.shared.curation.settings import SETTINGS, Rules

ALL = rules(**web())
MIXED = [
    *pages("dutch")[:12],
    *["\n".join(pages("dutch")[n : n + 8]) for n in range(12, 44, 8)],
    "\n".join(pages("english")[:6]),
    "\n".join(pages("tatar")[:3]),
    "\n".join(pages("dutch")[:2] * 6),
    "\n".join([*pages("dutch")[50:58], "Mail jan@voorbeeld.nl of bel 020-5521111. Dat is Ã©Ã©n adres."]),
    "",
    "\n\n",
]


def same(left, right):
    return left == right or (math.isnan(left) and math.isnan(right))


@hypothesis_settings(deadline=None, max_examples=15)
@given(st.permutations(range(len(MIXED))), st.integers(1, 40_000))
def test_a_document_fares_the_same_in_any_company(order, characters):
    alone = [curate([text], ALL, DUTCH) for text in MIXED]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.shared.curation.curate.BATCH_CHARACTERS", characters)
        together = curate([MIXED[number] for number in order], ALL, DUTCH)
    for place, number in enumerate(order):
        assert together.texts[place] == alone[number].texts[0]
        assert together.reasons[place] == alone[number].reasons[0]
        assert together.checks[place] == alone[number].checks[0]
        for name, scores in together.scores.items():
            expected = alone[number].scores.get(name, [math.nan])[0]
            assert same(float(scores[place]), float(expected)), name
    for rule in RULES:
        counted = [found.counts[rule] for found in alone if rule in found.counts]
        assert together.counts.get(rule, {}) == sum(counted[1:], counted[0]) if counted else True


def test_every_document_stays_or_has_the_rule_that_drops_it():
    found = curate(MIXED, ALL, DUTCH)
    names = {rule.name for rule in ALL}
    assert {reason for reason in found.reasons if reason} <= names
    assert [reason is None for reason in found.reasons] == [check is None for check in found.checks]
    assert found.reasons.count(None) >= 4
    assert set(found.seconds) == names | {"words_and_lines"}


def test_the_order_decides_which_rule_drops():
    text = ["\n".join(pages("tatar")[:1])]
    script_first = rules(script=web()["script"], language=web()["language"])
    language_first = rules(language=web()["language"], script=web()["script"])
    assert curate(text, script_first, DUTCH).reasons == ["script"]
    assert curate(text, language_first, DUTCH).reasons == ["language"]
    assert script_first != language_first
    assert TypeAdapter(Rules).dump_json(script_first) != TypeAdapter(Rules).dump_json(language_first)


def test_rules_come_back_from_json_and_null_is_off():
    kind = TypeAdapter(Rules)
    assert kind.validate_json(kind.dump_json(ALL)) == ALL
    assert [rule.name for rule in rules(mojibake={}, c4=None)] == ["mojibake"]
    assert rules() == ()
    assert curate(["een"], rules(), DUTCH).texts == ["een"]


def test_wrong_rules_are_told():
    with pytest.raises(ValidationError, match="Did you mean 'gopher_quality'"):
        rules(gopher_qualty={})
    with pytest.raises(ValidationError, match="min_wrds"):
        rules(gopher_quality=web()["gopher_quality"] | {"min_wrds": 3})


def test_each_rule_has_settings_and_each_settings_a_rule():
    assert set(RULES) == set(SETTINGS)
    assert set(web()) == set(RULES)


def test_notes_name_what_a_language_lacks():
    told = " ".join(notes(ALL, KLINGON))
    assert all(part in told for part in ("lid.176", "stop words", "national number", "telephones"))
    assert notes(ALL, DUTCH) == notes(ALL, TATAR) == []


def test_lines_that_went_are_shown_and_of_rewritten_ones_what_they_became():
    text = "Mail jan@voorbeeld.nl of loop langs.\nDat is Ã©Ã©n adres.\nДа"
    chosen = rules(**{name: web()[name] for name in ("mojibake", "script", "personal_data")})
    found = curate([text, text], chosen, DUTCH)
    assert found.texts[0] == "Mail [e-mail] of loop langs.\nDat is één adres."
    assert found.lines == {
        "mojibake": ["Dat is één adres."] * 2,
        "script": ["Да"] * 2,
        "personal_data": ["Mail [e-mail] of loop langs."] * 2,
    }


def test_scores_are_missing_where_a_document_was_gone_before():
    found = curate([MIXED[-2], MIXED[12]], ALL, DUTCH)
    assert math.isnan(found.scores["language.share"][0])
    assert found.scores["language.share"][1] == 1
    assert one("mojibake", ["a"]).scores == {}
