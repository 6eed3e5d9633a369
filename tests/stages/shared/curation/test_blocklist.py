"""Words and domains of a file drop documents."""

import pytest
from curation_case import DUTCH, rules
from pydantic import ValidationError

from pipeline.errors import UserError
from stages.shared.curation.curate import curate


def judged(path, *texts, **changed):
    settings = {"path": str(path), "max_count": 1, "max_share": 0.1} | changed
    return curate(texts, rules(blocklist=settings), DUTCH)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# no such pages\nCasino\ngokken  # a verb\nslecht.example\n", encoding="utf-8")
    return path


def test_count_and_share_must_both_be_passed(path):
    spam = "CASINO! gokken, casino."
    texts = [spam, "casino", spam + " woord" * 40, "casinospel gokkend gokkens"]
    found = judged(path, *texts)
    assert found.reasons == ["blocklist", None, None, None]
    assert found.counts["blocklist"] == {"words": 7}
    assert judged(path, *texts, max_share=0).reasons == ["blocklist", None, "blocklist", None]
    assert judged(path, "casino", max_count=0).reasons == ["blocklist"]


def test_a_domain_holds_for_hosts_below_it(path):
    texts = ["zie https://www.slecht.example/pagina", "zie www.Slecht.example", "zie https://nietslecht.example"]
    found = judged(path, *texts, "jan@slecht.example", max_count=0)
    assert found.reasons == ["blocklist", "blocklist", None, None]


def test_the_files_content_is_part_of_the_settings(path):
    kind = {"path": str(path), "max_count": 1, "max_share": 0.1}
    before = rules(blocklist=kind)[0].identity()
    assert str(path) not in str(before)
    path.write_text("ander\n", encoding="utf-8")
    assert rules(blocklist=kind)[0].identity() != before
    assert judged(path, "ander", max_count=0).reasons == ["blocklist"]


def test_wrong_lists_are_told(tmp_path, path):
    path.write_text("goed\ntwee woorden\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"list\.txt:2: 'twee woorden'"):
        judged(path, "tekst")
    with pytest.raises(ValidationError, match="is not a file"):
        judged(tmp_path / "none.txt", "tekst")
