"""Which vocabulary a Hydra model writes with: said at call, in the config, or by swapping the heads."""

import pytest
import torch
from hydra_case import write_pair, write_plain
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.shared.hydra.configuration import HydraConfig
from stages.shared.hydra.loading import load_translator

PROMPTS = [[("en", "Translate: the book"), ("tt", " китап")], [("tt", " бу йорт зур")]]
GREEDY, BEAM = {"do_sample": False}, {"do_sample": False, "num_beams": 3}
TOKENS = 6


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request, tmp_path_factory):
    return write_pair(tmp_path_factory.mktemp("heads"), "llama", request.param)[2]


@pytest.fixture
def ids(folder):
    return load_translator(folder)[1](PROMPTS[0], return_tensors="pt").input_ids


def test_the_head_of_the_config_is_the_one_said_at_call(folder, ids, tmp_path):
    model, _ = load_translator(folder)
    expected = {name: model(ids, head=name).logits for name in ("tt", "en")}
    assert torch.equal(model(ids).logits, expected["tt"])
    model.config.head = "en"
    assert torch.equal(model(ids).logits, expected["en"])
    assert torch.equal(model(ids, head="tt").logits, expected["tt"])
    assert torch.equal(model(ids, labels=ids).loss, model(ids, head="en", labels=ids).loss)
    model.save_pretrained(tmp_path)
    for loaded in (
        AutoModelForCausalLM.from_pretrained(tmp_path),
        AutoModelForCausalLM.from_pretrained(folder, head="en"),
    ):
        assert (loaded.config.head, loaded.config.output) == ("en", "tt")
        assert torch.equal(loaded(ids).logits, expected["en"])
        assert torch.equal(loaded(ids, head="tt").logits, expected["tt"])


def test_what_another_head_writes_is_read_again_as_its_own_vocabulary(folder, ids):
    model, processor = load_translator(folder)
    first, by_hand = processor.offset("en"), ids
    for _ in range(TOKENS):
        best = model(by_hand, head="en").logits[:, -1].argmax(-1, keepdim=True)
        by_hand = torch.cat([by_hand, best + first], dim=1)
    for cache in (True, False):
        written = model.generate(ids, head="en", max_new_tokens=TOKENS, use_cache=cache, **GREEDY)
        assert torch.equal(written, by_hand[:, : written.shape[1]])
        assert written.shape == by_hand.shape or written[0, -1] == first + 2  # its own EOS
    new = written[:, ids.shape[1] :]
    assert processor.batch_decode(new) == processor.tokenizers["en"].batch_decode(new - first, skip_special_tokens=True)
    with pytest.raises(ValueError, match="ids of en, tt"):
        processor.decode(written[0])


@pytest.mark.parametrize("decoding", [GREEDY, BEAM], ids=["greedy", "beam"])
def test_chosen_in_the_config_or_swapped_it_writes_the_same(folder, decoding):
    model, processor = load_translator(folder)
    model.config.head = "en"
    swapped, other = load_translator(folder)
    swapped.swap_head("en")
    other.swap_head("en")
    texts = []
    for one, reader in ((model, processor), (swapped, other)):
        given = reader(PROMPTS, padding="left", return_tensors="pt")
        written = one.generate(**given, max_new_tokens=TOKENS, **decoding)[:, given.input_ids.shape[1] :]
        texts.append((reader.batch_decode(written), (written - reader.offset("en")).tolist()))
    assert texts[0] == texts[1]


def test_an_end_that_is_asked_for_counts_through_the_table(folder, ids):
    model, processor = load_translator(folder)
    place = ids.shape[1]
    written = model.generate(ids, head="en", max_new_tokens=TOKENS, eos_token_id=None, **GREEDY)[0, place:]
    assert len(written) == TOKENS
    assert int(written.min()) >= processor.offset("en")
    ended = model.generate(ids, head="en", max_new_tokens=TOKENS, eos_token_id=int(written[1]), **GREEDY)[0, place:]
    assert ended.tolist() == written[: written.tolist().index(written[1]) + 1].tolist()


@pytest.mark.parametrize("own_head", [True, False])
def test_an_added_vocabulary_is_read_written_and_saved(folder, ids, tmp_path, own_head):
    model, processor = load_translator(folder)
    tokenizer = AutoTokenizer.from_pretrained(
        write_plain(tmp_path / "ba", "llama", True, [" яңы", " китап"], "byte_level", 3)
    )
    size = len(tokenizer) + 2  # a table may have more rows than there are tokens
    entry = {"name": "ba", "tokenizer": "tokenizers/ba", "ids": {"eos_token_id": 2}, "languages": {"ba": "Bashkir"}}
    before, table, head = model(ids).logits, torch.randn(size, 32), torch.randn(size, 32) if own_head else None
    model.add_vocabulary(entry, table, head)
    processor.add_vocabulary(entry, tokenizer, size)
    assert torch.equal(model(ids).logits, before)
    assert [(one["name"], one["size"]) for one in processor.vocabularies] == [
        (one["name"], one["size"]) for one in model.config.vocabularies
    ]
    prompt = [*PROMPTS[0], ("ba", " яңы китап")]
    own = tokenizer(" яңы китап", add_special_tokens=False).input_ids
    assert processor.encode(prompt)[-len(own) :] == [model.config.offset("ba") + number for number in own]
    given = processor(prompt, return_tensors="pt")
    logits = model(**given, head="ba").logits
    model.swap_head("ba")
    processor.swap_head("ba")
    given = processor(prompt, return_tensors="pt")
    assert torch.equal(model(**given).logits, logits)
    model.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    again, other = load_translator(tmp_path / "saved")
    assert (other.names, other.languages["ba"]) == (("ba", "tt", "en"), "Bashkir")
    assert torch.equal(other(prompt, return_tensors="pt").input_ids, given.input_ids)
    assert torch.equal(again(**given).logits, logits)
    written = [one.generate(**given, max_new_tokens=TOKENS, **GREEDY) for one in (model, again)]
    assert torch.equal(*written)
    new = written[0][0, given.input_ids.shape[1] :]
    assert other.decode(new) == tokenizer.decode(new, skip_special_tokens=True)


def test_a_vocabulary_that_cannot_be_added_is_named(folder):
    _, processor = load_translator(folder)
    tokenizer = processor.tokenizers["en"]
    with pytest.raises(ValueError, match="vocabulary 'en' already"):
        processor.add_vocabulary({"name": "en", "tokenizer": "tokenizers/en"}, tokenizer, len(tokenizer))
    with pytest.raises(ValueError, match=f"'fr' has {len(tokenizer)} tokens, but there are 3 rows"):
        processor.add_vocabulary({"name": "fr", "tokenizer": "tokenizers/fr"}, tokenizer, 3)


def test_unknown_heads_are_named(folder, ids):
    model, _ = load_translator(folder)
    with pytest.raises(ValueError, match="Available: tt, en"):
        model(ids, head="fr")
    with pytest.raises(ValueError, match="Available: tt, en"):
        model.generate(ids, head="fr", max_new_tokens=2)
    with pytest.raises(ValueError, match=r"head='fr' is none of the vocabularies \['tt', 'en'\]"):
        AutoModelForCausalLM.from_pretrained(folder, head="fr")
    with pytest.raises(ValueError, match="head='fr' is none"):
        HydraConfig(vocabularies=model.config.vocabularies, head="fr")
