"""The stage that puts two models' vocabularies into one, from their files."""

import json

import pytest
import torch
from hydra_case import ENGLISH, TATAR, write_plain
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.build_hydra.settings import BuildHydraSettings, HydraHeads
from stages.build_hydra.stage import build_hydra
from stages.shared.hydra.loading import load_processor, load_translator
from stages.shared.text_settings import LanguageSettings
from stages.shared.tokenizer_class import keep_tokenizer_class

SETTINGS = BuildHydraSettings(
    heads=HydraHeads(method="hydra", source_languages={"en": "English", "de": "German"}),
    language=LanguageSettings(name="tatar", english_name="Tatar", code="tt", script="Cyrl", source_code="en"),
)


def build(folder, source, adapted):
    out = folder / "hydra"
    out.mkdir()
    metrics = build_hydra(SETTINGS, {"base_model": source, "adapted_model": adapted}, out, Execution.model_construct())
    return out, metrics


def test_files_without_a_table_are_linked_and_the_model_is_whole(tmp_path):
    source = write_plain(tmp_path / "source", "llama", False, ENGLISH, "sentencepiece", 1)
    adapted = write_plain(tmp_path / "adapted", "llama", False, TATAR, "byte_level", 2)
    plain = AutoModelForCausalLM.from_pretrained(adapted)
    (adapted / "model.safetensors").unlink()
    plain.save_pretrained(adapted, max_shard_size="30KB")
    out, metrics = build(tmp_path, source, adapted)
    shards = {path.name for path in adapted.glob("*.safetensors")}
    linked = {name for name in shards if (out / name).stat().st_ino == (adapted / name).stat().st_ino}
    assert len(linked) == len(shards) - 1 > 1
    model, processor = load_translator(out)
    assert processor.names == ("tt", "en")
    assert processor.languages == {"tt": "Tatar", "en": "English", "de": "German"}
    assert metrics == {"input_rows": model.config.rows, "head_rows": plain.config.vocab_size}
    ids = processor([[("tt", " бу йорт")]], return_tensors="pt").input_ids
    assert torch.equal(model(ids).logits, plain(ids).logits)
    described = json.loads((out / "config.json").read_text())
    assert described["auto_map"]["AutoModelForCausalLM"] == "modeling.HydraForCausalLM"
    assert described["head"] == "tt"


def test_the_new_tokenizer_of_a_qwen2_model_stays_what_it_is(tmp_path):
    source = write_plain(tmp_path / "source", "qwen2", True, ENGLISH, "byte_level", 1)
    adapted = write_plain(tmp_path / "adapted", "qwen2", True, TATAR, "sentencepiece", 2)
    keep_tokenizer_class(adapted)
    out, _ = build(tmp_path, source, adapted)
    text = " бу йорт зур.  1234"
    ids = PreTrainedTokenizerFast(tokenizer_file=str(adapted / "tokenizer.json"))(text).input_ids
    assert load_processor(out).tokenizers["tt"](text).input_ids == ids
    trusted = AutoTokenizer.from_pretrained(out / "tokenizers" / "tt", trust_remote_code=True)
    assert trusted(text).input_ids == ids


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    source = write_plain(tmp_path / "source", "llama", True, ENGLISH, "sentencepiece", 1)
    adapted = write_plain(tmp_path / "adapted", "llama", True, TATAR, "byte_level", 2)
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        out, _ = build(tmp_path / name, source, adapted)
        made.append({str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert made[0] == made[1]
    assert not any(str(tmp_path).encode() in content for content in made[0].values())


def test_models_that_do_not_fit_are_named(tmp_path):
    source = write_plain(tmp_path / "source", "llama", True, ENGLISH, "sentencepiece", 1)
    adapted = write_plain(tmp_path / "adapted", "llama", True, TATAR, "byte_level", 2)
    wider = AutoModelForCausalLM.from_pretrained(source).to(torch.bfloat16)
    wider.save_pretrained(source)
    with pytest.raises(UserError, match=r"32 columns of torch.bfloat16.*of torch.float32"):
        build(tmp_path, source, adapted)
