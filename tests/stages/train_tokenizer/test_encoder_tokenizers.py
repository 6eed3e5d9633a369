"""A new tokenizer for an encoder keeps its roles, and what it puts around one text and two."""

from pathlib import Path

import pytest
import tiny_encoders as encoders
from test_train_tokenizer import DUTCH, save_corpus, train
from transformers import AutoTokenizer

from stages.shared.document_encoder import load_encoder
from stages.shared.tokenizer_conventions import read_conventions

WORDS = [" house", " boat", "s"]
PAIRS = {
    "roberta": ["<s>", "A", "</s>", "</s>", "B", "</s>"],
    "bert": ["[CLS]", "A", "[SEP]", "B", "[SEP]"],
}


@pytest.mark.parametrize("kind", ["roberta", "bert"])
@pytest.mark.parametrize("trained", ["sentencepiece", "byte_bpe"])
def test_roles_ids_and_surroundings_are_the_encoders(tmp_path: Path, kind: str, trained: str) -> None:
    base = encoders.save_tokenizer(tmp_path / "base", kind, WORDS)
    train(trained, save_corpus(tmp_path / "corpus", DUTCH[5:], DUTCH[:5]), base, tmp_path / "new")
    new, old = AutoTokenizer.from_pretrained(tmp_path / "new"), AutoTokenizer.from_pretrained(base)
    assert new.special_tokens_map == old.special_tokens_map
    for token in encoders.ROLES[kind].values():
        assert new.convert_tokens_to_ids(token) == old.convert_tokens_to_ids(token), token
    assert read_conventions(tmp_path / "new") == read_conventions(base)
    encoded = new(" huis", " boot")
    special = set(encoders.ROLES[kind].values())
    found: list[str] = []
    for token, text in zip(encoded.tokens(), encoded.sequence_ids(), strict=True):
        name = token if token in special else "AB"[text or 0]
        if name in special or found[-1] != name:
            found.append(name)
    assert found == PAIRS[kind]
    assert ("token_type_ids" in encoded) == (kind == "bert")
    if kind == "bert":
        second = encoded.tokens().index("[SEP]") + 1
        length = len(encoded["input_ids"])
        assert encoded["token_type_ids"] == [0] * second + [1] * (length - second)
    assert load_encoder(tmp_path / "new").start_token_id == new.cls_token_id


@pytest.mark.parametrize("trained", ["sentencepiece", "byte_bpe"])
def test_a_mask_takes_the_space_before_it_along(tmp_path: Path, trained: str) -> None:
    base = encoders.save_tokenizer(tmp_path / "base", "roberta", WORDS)
    train(trained, save_corpus(tmp_path / "corpus", DUTCH[5:], DUTCH[:5]), base, tmp_path / "new")
    new = AutoTokenizer.from_pretrained(tmp_path / "new")
    spaced, joined = (new(f"een{space}<mask> huis")["input_ids"] for space in (" ", ""))
    assert spaced == joined
    after = spaced[spaced.index(new.mask_token_id) + 1]
    assert new.convert_ids_to_tokens(after)[0] in "▁Ġ"
