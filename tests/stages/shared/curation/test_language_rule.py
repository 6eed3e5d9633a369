"""Documents are judged block by block, and near languages are kept apart."""

from collections import defaultdict

import pytest
from curation_case import DATA, KLINGON, TATAR, one, pages, settings

from stages.shared.curation.confusion import UNSURE, as_markdown, confusion_table
from stages.shared.curation.language import blocks, identify
from stages.shared.language_identification import LanguageJudge, letters


def labelled():
    texts = defaultdict(list)
    for line in (DATA / "curation" / "languages.tsv").read_text(encoding="utf-8").splitlines():
        code, _, text = line.partition("\t")
        texts[code].append(text)
    return texts


def test_a_mixed_document_is_judged_by_its_share():
    dutch, english = "\n".join(pages("dutch")[:6]), "\n".join(pages("english")[:4])
    texts = [dutch, f"{dutch}\n{english}", english, "Kort."]
    found = one("language", texts, most_blocks=100)
    share = found.scores["language.share"]
    assert found.checks == [None, None, "other_language", None]
    assert share[0] > 0.9 > share[1] > 0.5 > share[2]
    assert share[3] != share[3]  # nothing to judge
    assert found.scores["language.probability"][0] > 0.8
    counts = found.counts["language"]
    assert counts["blocks_nl"] > counts["blocks_en"] > 10
    assert one("language", texts, most_blocks=100, min_share=0.9).checks[1] == "other_language"


def test_lines_in_another_language_go_where_it_is_wanted():
    english = "This line of the catalogue was never translated into another language."
    dutch = "Deze regel van de catalogus is al lang geleden in het Nederlands vertaald."
    text = f"{dutch}\n{english}\n{dutch}\nOpen the file"
    found = one("language", [text, english], drop_lines=True)
    assert found.texts[0] == f"{dutch}\n{dutch}\nOpen the file"  # too short to be judged
    assert found.checks == [None, "no_line_left"]
    assert found.counts["language"]["lines_dropped"] == 2
    assert one("language", [text]).texts == [text]


@pytest.mark.parametrize("most", [3, 1000])
def test_blocks_are_cut_between_words_all_over_the_document(most):
    text = "\n".join(pages("dutch")[:10])
    chosen = settings("language").model_copy(update={"most_blocks": most})
    found = blocks(text, chosen)
    flat = text.replace("\n", " ")
    words = set(flat.split())
    assert all(set(block.split()) <= words for block in found)
    assert flat.startswith(found[0])
    assert flat.endswith(found[-1])
    assert ("".join(found) == flat) == (most == 1000)


def test_the_guess_is_that_of_the_judge_of_lines():
    lines = [line for name in ("dutch", "english", "tatar") for page in pages(name)[:9] for line in page.split("\n")]
    judge = LanguageJudge("nl", 0.8, 40)
    for line in (*lines, lines[0].upper()):
        if letters(line) >= 40:
            guess = identify(line)
            assert judge.other(line) == (guess.code != "nl" and guess.probability >= 0.8)


def test_a_language_that_is_not_known_is_not_judged():
    found = one("language", pages("english")[:2], KLINGON)
    assert found.reasons == [None, None]
    assert found.counts["language"] == {"documents_not_judged": 2}


def test_tatar_is_kept_apart_from_bashkir_kazakh_and_russian():
    table = confusion_table(labelled(), 40, 0.8)
    for code, counts in table.items():
        assert counts.total() == 30
        assert counts[code] >= 25
        assert sum(count for other, count in counts.items() if other not in (code, UNSURE)) <= 1
    shown = as_markdown(table).split("\n")
    assert shown[0] == "|  | ba | kk | ru | tt | unsure | other | texts |"
    assert [row.split(" | ")[-1] for row in shown[2:]] == ["30 |"] * 4


@pytest.mark.parametrize("code", ["ba", "kk", "ru"])
def test_pages_in_near_languages_leave_a_tatar_corpus(code):
    texts = ["\n".join(lines) for lines in (labelled()[code][:10], labelled()["tt"][:10])]
    assert one("language", texts, TATAR).checks == ["other_language", None]
