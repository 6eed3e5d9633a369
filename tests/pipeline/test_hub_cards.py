"""hub.first_bytes: which cards it may name, and that it is another recipe."""

import pytest

from pipeline.cards import resolve_cards
from pipeline.config import load_config
from pipeline.errors import UserError
from pipeline.hub_cards import HubSettings


@pytest.fixture(scope="module")
def cards():
    return resolve_cards(["fineweb_2", "wikipedia", "nllb", "opensubtitles"], "en", "nl", {})


def test_a_number_is_the_named_card_s_alone_and_another_recipe(cards):
    hub = load_config(["language=dutch", "corpus=open", "+hub.first_bytes.fineweb_2=2_000_000_000"]).hub
    hub.check(["fineweb_2"])
    found = hub.shortened(cards)
    assert found[0].source.first_bytes == 2_000_000_000
    assert found[0].identity() != cards[0].identity()
    assert found[1:] == cards[1:]
    assert "first_bytes" not in cards[0].identity()["source"]  # recipes from before this key keep their names


def test_all_cards_that_cannot_be_read_in_part_are_named_together(cards):
    with pytest.raises(UserError) as refused:
        HubSettings(first_bytes={"nllb": 1000, "opensubtitles": 1000}).shortened(cards)
    said = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert said == ["hub.first_bytes.nllb", "hub.first_bytes.opensubtitles"]
    packed = cards[0].source.model_copy(update={"files": ("data/*.warc.gz",)})
    with pytest.raises(UserError, match=r"data/\*\.warc\.gz cannot be read in part"):
        HubSettings(first_bytes={"fineweb_2": 1000}).shortened([cards[0].model_copy(update={"source": packed})])


def test_a_card_that_is_not_read_is_a_mistake():
    with pytest.raises(UserError, match=r"hub\.first_bytes: unknown .*'fineweb2'. Did you mean 'fineweb_2'"):
        HubSettings(first_bytes={"fineweb2": 1000}).check(["fineweb_2", "wikipedia"])


def test_what_names_nothing_yet_says_how_to_add_to_it():
    with pytest.raises(UserError, match=r"write \+hub\.first_bytes\.fineweb_2=\.\.\. to add to it"):
        load_config(["language=dutch", "hub.first_bytes={fineweb_2: 1000}"])
