import json

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, LlamaConfig, LlamaForCausalLM

from pipeline.errors import UserError
from stages.shared.model_folder import open_model, write_configs, write_model


def save_llama(folder, *, tied, shard="1GB", dtype=torch.float32):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    LlamaForCausalLM(config).to(dtype).save_pretrained(folder, max_shard_size=shard)
    return folder


@pytest.mark.parametrize("shard", ["1GB", "2KB"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_the_tables_change(tmp_path, tied, shard, dtype):
    source = save_llama(tmp_path / "old", tied=tied, shard=shard, dtype=dtype)
    out = tmp_path / "new"
    out.mkdir()
    model = open_model(source)
    assert model.input_name == "model.embed_tokens.weight"
    assert model.head_name == (None if tied else "lm_head.weight")
    names = [name for name in (model.input_name, model.head_name) if name]
    tables = {name: torch.full((24, 8), 0.5 + place, dtype=dtype) for place, name in enumerate(names)}
    write_model(model, tables, out)
    write_configs(model, {"bos_token_id": 7, "eos_token_id": 8, "pad_token_id": None}, 24, out)
    new = AutoModelForCausalLM.from_pretrained(out, dtype="auto")
    old = AutoModelForCausalLM.from_pretrained(source, dtype="auto")
    assert new.dtype == dtype
    assert new.config.vocab_size == 24
    assert (new.generation_config.bos_token_id, new.generation_config.eos_token_id) == (7, 8)
    assert (new.get_input_embeddings().weight == 0.5).all()
    assert (new.get_output_embeddings().weight == (0.5 if tied else 1.5)).all()
    body = dict(old.model.layers.state_dict())
    assert all(torch.equal(body[name], tensor) for name, tensor in new.model.layers.state_dict().items())


def test_shards_of_the_body_are_hard_links(tmp_path):
    source = save_llama(tmp_path / "old", tied=True, shard="2KB")
    out = tmp_path / "new"
    out.mkdir()
    model = open_model(source)
    write_model(model, {model.input_name: torch.zeros(24, 8)}, out)
    same = [name for name in model.weight_files() if (source / name).samefile(out / name)]
    assert len(same) == len(model.weight_files()) - 1
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert (
        index["metadata"]["total_size"]
        < json.loads((source / "model.safetensors.index.json").read_text())["metadata"]["total_size"]
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", ["XLMRoberta", "Albert", "DistilBert", "ModernBert", "DebertaV2"])
def test_heads_of_other_encoders_are_found_by_whatever_name(tmp_path, name, tied):
    config = getattr(transformers, f"{name}Config")(
        vocab_size=40,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        pad_token_id=0,
        tie_word_embeddings=tied,
        **{"DistilBert": {"dim": 8, "n_heads": 2}, "Albert": {"embedding_size": 4}}.get(name, {}),
    )
    getattr(transformers, f"{name}ForMaskedLM")(config).save_pretrained(tmp_path / "old")
    model, out = open_model(tmp_path / "old"), tmp_path / "new"
    out.mkdir()
    names = [name for name in (model.input_name, model.head_name, *model.bias_names) if name]
    tables = {name: torch.full((24, *model.read(name).shape[1:]), 0.5 + place) for place, name in enumerate(names)}
    write_model(model, tables, out)
    write_configs(model, {}, 24, out)
    new, report = AutoModelForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert not any(report.values()), report
    head = new.get_output_embeddings()
    assert model.masked
    assert (new.get_input_embeddings().weight == 0.5).all()
    assert (head.weight == tables[model.head_name or model.input_name][0, 0]).all()
    assert (head.bias == tables[model.bias_names[0]][0]).all()
    assert len(head.bias) == 24


def test_folder_without_weights(tmp_path):
    with pytest.raises(UserError, match=r"config\.json"):
        open_model(tmp_path)
    save_llama(tmp_path / "old", tied=True)
    (tmp_path / "old" / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"neither model\.safetensors"):
        open_model(tmp_path / "old")
