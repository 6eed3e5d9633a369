import pytest
import tiny_vocabularies as tiny
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

from stages.shared.hydra.configuration import DECODERS
from stages.shared.tokenizer_class import CODE, MODULE, keep_tokenizer_class

TEXT = "Nee, ik ben geen giraf.  1234\n漢"


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("trusted", [False, True])
def test_beside_every_kind_of_model_auto_tokenizer_gives_the_new_tokenizers_ids(tmp_path, kind, trusted):
    folder = tiny.make(tmp_path, "sentencepiece", [" ik", " ben", " geen"])
    plain = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    AutoConfig.for_model(kind).save_pretrained(folder)
    keep_tokenizer_class(folder)
    loaded = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted)
    ids = plain(TEXT).input_ids
    assert loaded(TEXT).input_ids == ids
    assert loaded.decode(ids) == plain.decode(ids)
    assert loaded.eos_token == "</s>"


def test_only_where_transformers_would_take_another_class_the_folder_brings_code(tmp_path):
    for kind in ("llama", "qwen2"):
        folder = tiny.make(tmp_path / kind, "sentencepiece", [" ik"])
        AutoConfig.for_model(kind).save_pretrained(folder)
        before = AutoTokenizer.from_pretrained(folder)(TEXT).input_ids
        keep_tokenizer_class(folder)
        now = AutoTokenizer.from_pretrained(folder)(TEXT).input_ids
        assert (before != now) == (folder / f"{MODULE}.py").is_file() == (kind == "qwen2")
    assert (tmp_path / "qwen2" / f"{MODULE}.py").read_text() == CODE
