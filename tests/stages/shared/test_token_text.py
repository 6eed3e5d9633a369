import pytest
import tiny_vocabularies as tiny

from pipeline.errors import UserError
from stages.shared.token_text import BYTE_OF_LETTER, byte_level_bytes, byte_level_token, load_vocabulary

STYLES = ("byte_level", "sentencepiece", "wordpiece")


@pytest.mark.parametrize("style", STYLES)
def test_tokens_of_every_style_stand_for_the_same_text(tmp_path, style):
    words = [" één", "huis", " huis", " 7", "."]
    vocabulary = tiny.load(tmp_path, style, words)
    assert vocabulary.style == style
    rows = [vocabulary.ids[tiny.written(word, style)] for word in words]
    assert [vocabulary.text[row].decode() for row in rows] == words
    assert vocabulary.starts_word[rows].tolist() == [True, False, True, True, False]


def test_special_tokens_are_no_text_and_known_by_role(tmp_path):
    vocabulary = tiny.load(tmp_path, "sentencepiece", [" a"])
    assert vocabulary.roles == {"unk": "<unk>", "bos": "<s>", "eos": "</s>"}
    assert vocabulary.special.nonzero()[0].tolist() == [0, 1, 2]
    assert vocabulary.text[:3] == (b"", b"", b"")


def test_tokens_are_in_id_order(tmp_path):
    vocabulary = tiny.load(tmp_path, "sentencepiece", [" b", " a", "c"])
    assert vocabulary.tokens[:6] == ("<unk>", "<s>", "</s>", "▁b", "▁a", "c")
    assert vocabulary.ids["▁a"] == 4


def test_byte_tokens_stand_for_their_byte_but_a_plain_token_goes_first(tmp_path):
    vocabulary = tiny.load(tmp_path, "sentencepiece", ["A"])
    row = vocabulary.ids["<0x41>"]
    assert vocabulary.byte_fallback[row]
    assert vocabulary.text[row] == b"A"
    assert vocabulary.by_text()[b"A"] == vocabulary.ids["A"]
    assert vocabulary.by_text()[b"\xc3"] == vocabulary.ids["<0xC3>"]


def test_the_name_of_a_special_token_in_a_text_is_text(tmp_path):
    vocabulary = tiny.load(tmp_path, "byte_level", [" a"])
    (ids,) = vocabulary.encode(["<s>"])
    assert not vocabulary.special[ids].any()


def test_byte_level_letters_are_a_bijection():
    assert len(BYTE_OF_LETTER) == 256
    assert byte_level_bytes(byte_level_token(bytes(range(256)))) == bytes(range(256))


def test_folder_without_tokenizer_says_what_is_needed(tmp_path):
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        load_vocabulary(tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        load_vocabulary(tmp_path / "absent")
