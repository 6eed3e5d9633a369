"""Segments in several vocabularies become ids that stand for exactly their text."""

import json
import shutil

import pytest
import tiny_vocabularies as tiny
from hydra_case import ENGLISH, TATAR
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers
from transformers import AutoTokenizer, MistralConfig, PreTrainedTokenizerFast

from stages.shared.hydra.processing import PROCESSOR_FILE, HydraProcessor, processor_config
from stages.shared.token_text import load_vocabulary

TEXTS = st.text(alphabet="the house.\nбу йорт", max_size=12) | st.sampled_from([" book", "book", " китап", "лар", " "])


def legacy(folder):
    """Save a tokenizer as Llama 2's: a normalizer puts `▁` before every piece of text."""
    tiny.make(folder, "sentencepiece", TATAR)
    before = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer = Tokenizer(before.model)
    assert isinstance(before.model, models.Unigram)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = before.decoder
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("tokenizers")
    return {
        "gpt": tiny.make(place / "gpt", "byte_level", TATAR),
        "first": tiny.make(place / "first", "sentencepiece", ENGLISH),
        "legacy": legacy(place / "legacy"),
    }


@pytest.fixture(scope="module")
def bytes_of(folders):
    """Return the bytes of every id of the processor's vocabularies, one after another."""
    return [text for folder in folders.values() for text in load_vocabulary(folder).text]


@pytest.fixture(scope="module")
def processor(folders):
    loaded = {name: PreTrainedTokenizerFast.from_pretrained(folder) for name, folder in folders.items()}
    vocabularies = [
        {"name": name, "size": len(tokenizer), "tokenizer": name, "languages": {f"x{name}": name.title()}}
        for name, tokenizer in loaded.items()
    ]
    return HydraProcessor(vocabularies, loaded)


@given(prompt=st.lists(st.tuples(st.sampled_from(["gpt", "first", "legacy"]), TEXTS), min_size=1, max_size=5))
def test_the_ids_are_one_start_token_and_the_very_text(processor, bytes_of, prompt):
    ids = processor.encode(prompt)
    begins = next((name for name, text in prompt if text), prompt[0][0])
    assert ids[0] == processor.start_id(begins)
    written = b"".join(bytes_of[number] for number in ids[1:]).decode()
    text = "".join(text for _, text in prompt)
    # What a SentencePiece tokenizer puts before a text, it puts before the first one only.
    prefix = " " if written.startswith(" ") and begins != "gpt" and written != text else ""
    assert written == prefix + text


def test_the_first_segment_is_what_its_tokenizer_makes_of_a_text(processor):
    for name, tokenizer in processor.tokenizers.items():
        offset = processor.offset(name)
        ids = [number + offset for number in tokenizer("the house", add_special_tokens=False).input_ids]
        assert processor.encode([(name, "the house")]) == [processor.start_id(name), *ids]
        # Cut anywhere, it is the same text of one vocabulary.
        assert processor.encode([(name, "the ho"), (f"x{name}", "use")]) == [processor.start_id(name), *ids]


def test_a_later_segment_begins_a_word_only_with_a_space(processor):
    def tokens(*prompt):
        first = processor.offset("first")
        return processor.tokenizers["first"].convert_ids_to_tokens(
            [number - first for number in processor.encode(prompt) if first <= number < processor.offset("legacy")]
        )

    assert tokens(("gpt", " ул"), ("first", " book")) == ["▁book"]
    assert "▁book" not in tokens(("gpt", " ул"), ("first", "book"))
    assert tokens(("gpt", " ул\n"), ("first", " book"), ("gpt", " "), ("first", "s")) == ["▁book", "s"]


def test_names_of_special_tokens_are_text_unless_marked(processor):
    end = processor.tokenizers["gpt"].eos_token_id  # the tiny unigram models have theirs among the pieces of text
    for before in ([], [("first", "a")]):
        assert end not in processor.encode([*before, ("gpt", "бу</s>")])
        assert end in processor.encode([*before, ("gpt", "бу</s>", True)])


def test_padding_stands_on_the_asked_side(processor):
    prompts = [[("gpt", " бу")], [("gpt", " бу йорт зур")]]
    short, long = (processor.encode(prompt) for prompt in prompts)
    more = len(long) - len(short)
    left = processor(prompts, padding="left", return_tensors="pt")
    assert left.attention_mask.tolist() == [[0] * more + [1] * len(short), [1] * len(long)]
    assert left.input_ids[0, more:].tolist() == short
    assert processor(prompts, padding="right").attention_mask[0] == [1] * len(short) + [0] * more
    assert processor(prompts).input_ids == [short, long]
    with pytest.raises(ValueError, match="middle"):
        processor(prompts, padding="middle")


def test_one_prompt_is_a_batch_of_its_own(processor):
    prompt = [("first", "Translate: the house"), ("gpt", " бу йорт")]
    assert processor(prompt).input_ids == processor([prompt]).input_ids == [processor.encode(prompt)]
    assert processor([list(segment) for segment in prompt]).input_ids == [processor.encode(prompt)]
    assert processor(prompt, return_tensors="pt").input_ids.shape == (1, len(processor.encode(prompt)))
    assert processor(iter([prompt, prompt[:1]])).input_ids == [processor.encode(prompt), processor.encode(prompt[:1])]
    assert processor([]).input_ids == []
    for empty in ([[]], [[], prompt], [prompt, []]):
        with pytest.raises(ValueError, match="at least one segment"):
            processor(empty)


def test_faults_are_named(processor):
    with pytest.raises(ValueError, match=r"no vocabulary reads 'fr'. Available: gpt, first, legacy, xlegacy"):
        processor.encode([("fr", "maison")])
    with pytest.raises(ValueError, match="at least one segment"):
        processor.encode([])
    with pytest.raises(ValueError, match="unknown vocabulary 'fr'"):
        processor.swap_head("fr")


def test_a_tokenizer_is_the_one_that_its_plain_model_has(tmp_path):
    plain = tmp_path / "plain"
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "▁a"]
    tokenizer = Tokenizer(
        models.BPE({token: row for row, token in enumerate(tokens)}, [("▁", "a")], byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(plain)
    named = json.loads((plain / "tokenizer_config.json").read_text()) | {"tokenizer_class": "LlamaTokenizer"}
    (plain / "tokenizer_config.json").write_text(json.dumps(named))
    vocabulary = {"name": "en", "size": len(tokens), "tokenizer": "tokenizers/en"}
    shutil.copytree(plain, tmp_path / "tokenizers/en")
    (tmp_path / PROCESSOR_FILE).write_text(json.dumps(processor_config([vocabulary])))
    (tmp_path / "config.json").write_text(json.dumps({"base": MistralConfig().to_dict()}))
    MistralConfig().save_pretrained(plain)
    expected = AutoTokenizer.from_pretrained(plain)("a</s>a  a", add_special_tokens=False).input_ids
    assert HydraProcessor.from_pretrained(tmp_path).encode([("en", "a</s>a  a", True)])[1:] == expected


def test_it_loads_from_a_repository_of_the_hub(processor, tmp_path):
    snapshot = tmp_path / "models--me--hydra" / "snapshots" / ("0" * 40)
    processor.save_pretrained(snapshot)
    (tmp_path / "models--me--hydra" / "refs").mkdir()
    (tmp_path / "models--me--hydra" / "refs" / "main").write_text("0" * 40)
    # As AutoProcessor calls it.
    options = {"cache_dir": str(tmp_path), "local_files_only": True, "revision": None, "trust_remote_code": True}
    loaded = HydraProcessor.from_pretrained("me/hydra", **options)
    prompt = [("first", "the house"), ("gpt", " йорт")]
    assert loaded.encode(prompt) == processor.encode(prompt)
