"""A Hydra model is exactly the models that it is made of, for every kind of decoder, tied or not."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra_case import KINDS, write_pair
from transformers import AutoModelForCausalLM, AutoProcessor, GenerationConfig

from stages.build_hydra.folder import VocabularySource, write_hydra
from stages.shared.hydra.loading import load_translator
from stages.shared.hydra.modeling import IGNORED, HydraForCausalLM, head_key
from stages.shared.hydra.processing import HydraProcessor
from stages.shared.hydra.registration import register

PROMPTS = [
    [("en", "Translate: the book"), ("tt", " китап")],
    [("tt", " бу йорт зур")],
    [("en", " a"), ("tt", " бу"), ("en", " house is big. the house is big. the house")],
]
BEAM = {"num_beams": 3, "length_penalty": 0.7}


QUICK = (("llama", True), ("llama", False), ("mistral", False), ("gemma3_text", True))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((kind, tied), marks=() if (kind, tied) in QUICK else pytest.mark.slow, id=f"{kind}-tied={tied}")
        for kind in KINDS
        for tied in (True, False)
    ],
)
def case(request, tmp_path_factory):
    source, adapted, hydra = write_pair(tmp_path_factory.mktemp("hydra"), *request.param)
    plain = {name: AutoModelForCausalLM.from_pretrained(folder) for name, folder in (("en", source), ("tt", adapted))}
    return {**plain, "adapted": adapted, "folder": hydra, "hydra": load_translator(hydra)}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """Return the three folders of a Llama pair, untied."""
    return write_pair(tmp_path_factory.mktemp("llama"), "llama", False)


def body(model):
    return {name: weight for name, weight in model.model.state_dict().items() if name != "embed_tokens.weight"}


def ids_of(processor, prompt):
    return processor([prompt], return_tensors="pt").input_ids


def beginnings(ids):
    """Return texts of one token, of two and of all: with few rows a sum depends on where its operands lie."""
    return [*ids[0].reshape(-1, 1, 1), ids[:, :2], ids]


def test_the_output_vocabulary_alone_is_the_adapted_model_as_both_are_loaded(case):
    model, processor = load_translator(case["folder"])
    plain = AutoModelForCausalLM.from_pretrained(case["adapted"])
    for ids in beginnings(ids_of(processor, [("tt", " бу йорт зур. ул китап укый")])):
        assert torch.equal(model(ids).logits, plain(ids).logits)


def test_either_vocabulary_alone_is_its_own_model_to_the_last_bit(case):
    model, processor = load_translator(case["folder"])
    model = copy.deepcopy(model)  # a copy's tensors all lie alike, from wherever they were loaded
    for name, text in (("tt", " бу йорт зур. ул китап укый"), ("en", "the house is big. a book")):
        ids, offset = ids_of(processor, [(name, text)]), processor.offset(name)
        plain = copy.deepcopy(case[name])
        model.model.load_state_dict(body(plain), strict=False)
        for part in beginnings(ids):
            assert torch.equal(model(part, head=name).logits, plain(part - offset).logits)
        model.swap_head(name)
        for part in beginnings(ids):
            assert torch.equal(model(part - offset).logits, plain(part - offset).logits)
        processor.swap_head(name)
        assert torch.equal(ids_of(processor, [(name, text)]), ids - offset)


def test_mixed_prompts_are_the_parts_put_together_by_hand(case):
    model, processor = case["hydra"]
    for prompt in PROMPTS:
        ids, split = ids_of(processor, prompt)[0], processor.offset("en")
        rows = [
            case["en"].get_input_embeddings()(one - split) if one >= split else case["tt"].get_input_embeddings()(one)
            for one in ids
        ]
        by_hand = case["tt"](inputs_embeds=torch.stack(rows)[None]).logits
        assert torch.equal(model(ids[None]).logits, by_hand)


def test_nothing_is_bigger_than_the_models_and_their_rows(case):
    model, _ = case["hydra"]
    size = sum(weight.numel() for weight in model.parameters())
    rows = case["en"].get_input_embeddings().weight.numel()
    own_head = 0 if case["en"].config.tie_word_embeddings else rows
    assert size == sum(weight.numel() for weight in case["tt"].parameters()) + rows + own_head


@pytest.mark.parametrize("decoding", [{}, BEAM], ids=["greedy", "beam"])
def test_with_the_cache_and_batched_it_writes_the_same(case, decoding):
    model, processor = case["hydra"]
    config = GenerationConfig(max_new_tokens=8, do_sample=False, eos_token_id=[2], pad_token_id=2, **decoding)
    batch = processor(PROMPTS, padding="left", return_tensors="pt")
    together = model.generate(**batch, generation_config=config)[:, batch.input_ids.shape[1] :]
    for prompt, written in zip(PROMPTS, together, strict=True):
        ids = ids_of(processor, prompt)
        for cache in (True, False):
            alone = model.generate(ids, generation_config=config, use_cache=cache)[0, ids.shape[1] :]
            assert torch.equal(alone, written[: len(alone)])
            assert bool((written[len(alone) :] == 2).all())
        assert processor.decode(written) == processor.batch_decode([written])[0]


def test_one_vocabulary_is_exported_as_a_plain_model(case, tmp_path):
    model, processor = case["hydra"]
    model.export_single("tt").save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(plain) is type(case["tt"])
    ids = ids_of(processor, [("tt", " бу йорт зур")])
    assert torch.equal(plain(ids).logits, case["tt"](ids).logits)
    assert plain.config.vocab_size == case["tt"].config.vocab_size
    exported = model.export_single("en")
    ids = ids_of(processor, [("en", "the house")])
    assert torch.equal(exported(ids - processor.offset("en")).logits, model(ids, head="en").logits)


def test_an_exported_model_keeps_how_the_hydra_model_writes(llama, tmp_path):
    model, _ = load_translator(llama[2])
    model.generation_config.update(repetition_penalty=1.5, eos_token_id=[2, 5])
    model.export_single("tt").save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).generation_config
    assert (again.repetition_penalty, again.eos_token_id) == (1.5, [2, 5])
    other = model.export_single("en").generation_config  # 5 is another token there
    assert (other.repetition_penalty, other.eos_token_id) == (1.5, 2)
    assert model.generation_config.eos_token_id == [2, 5]


def test_saved_again_it_is_the_same_to_the_last_bit(case, tmp_path):
    model, processor = case["hydra"]
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, other = load_translator(tmp_path)
    assert {name: weight.shape for name, weight in again.state_dict().items()} == {
        name: weight.shape for name, weight in model.state_dict().items()
    }
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in again.state_dict().items())
    assert other.encode(PROMPTS[0]) == processor.encode(PROMPTS[0])


LOAD = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoProcessor
folder, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
assert not any(name.startswith("stages") for name in sys.modules)
prompts = [[("en", "Translate: the book"), ("tt", " китап")], [("de", "a")]]
given = processor(prompts, padding="left", return_tensors="pt")
model.save_pretrained(out)
processor.save_pretrained(out)
written = model.generate(**given, max_new_tokens=4, do_sample=False)
texts = processor.batch_decode(written[:, given.input_ids.shape[1] :])
print(json.dumps([given.input_ids.tolist(), model(**given).logits.tolist(), texts]))
"""


def test_it_loads_on_a_machine_without_this_project(llama, tmp_path):
    folder = shutil.copytree(llama[2], tmp_path / "elsewhere" / "model")
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]}
    (tmp_path / "load.py").write_text(LOAD)
    out = tmp_path / "saved"
    done = subprocess.run(
        [sys.executable, "-P", str(tmp_path / "load.py"), str(folder), str(out)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ids, logits, texts = json.loads(done.stdout.strip().splitlines()[-1])
    model, processor = load_translator(folder)
    given = processor([PROMPTS[0], [("en", "a")]], padding="left", return_tensors="pt")
    assert ids == given.input_ids.tolist()
    assert torch.equal(torch.tensor(logits), model(**given).logits)
    assert len(texts) == 2
    again, _ = load_translator(out)  # what was saved there loads here
    assert torch.equal(again(**given).logits, model(**given).logits)
    assert {path.name for path in Path(out).glob("*.py")} == {"configuration.py", "modeling.py", "processing.py"}


def test_once_registered_the_auto_classes_take_the_code_of_this_project(llama):
    register()
    assert isinstance(AutoModelForCausalLM.from_pretrained(llama[2]), HydraForCausalLM)
    assert isinstance(AutoProcessor.from_pretrained(llama[2]), HydraProcessor)


def test_labels_of_other_vocabularies_are_not_predicted(llama):
    model, processor = load_translator(llama[2])
    ids = ids_of(processor, PROMPTS[0])
    target = ids.masked_fill(ids >= processor.offset("en"), IGNORED)
    logits = model(ids).logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, target[0, 1:], ignore_index=IGNORED)
    assert torch.equal(model(ids, labels=ids).loss, expected)
    source = torch.where(ids >= processor.offset("en"), ids - processor.offset("en"), IGNORED)
    logits = model(ids, head="en").logits[0, :-1]
    expected = torch.nn.functional.cross_entropy(logits, source[0, 1:], ignore_index=IGNORED)
    assert torch.equal(model(ids, head="en", labels=ids).loss, expected)


def test_a_vocabulary_is_added_and_written_with(llama):
    model, processor = load_translator(llama[2])
    ids, before = ids_of(processor, PROMPTS[0]), model(ids_of(processor, PROMPTS[0])).logits
    table, head = torch.randn(7, 32), torch.randn(7, 32)
    model.add_vocabulary({"name": "xx", "tokenizer": "tokenizers/xx"}, table, head)
    assert torch.equal(model(ids).logits, before)
    first = model.config.offset("xx")
    assert torch.equal(model.get_input_embeddings()(torch.tensor([first + 3]))[0], table[3])
    assert model(ids, head="xx").logits.shape[-1] == 7
    model.swap_head("xx")
    assert model.generate(torch.tensor([[1, 2]]), max_new_tokens=3, do_sample=False).max() < 7
    model.swap_head("tt")
    model.swap_head("tt")
    moved = torch.where(ids >= processor.offset("en"), ids + 7, ids)  # the new rows stand before them now
    assert torch.equal(model(moved).logits, before)
    with pytest.raises(ValueError, match="already"):
        model.add_vocabulary({"name": "xx", "tokenizer": ""}, table)
    with pytest.raises(ValueError, match="shape"):
        model.add_vocabulary({"name": "yy", "tokenizer": ""}, torch.randn(7, 31))


def test_vocabularies_may_have_names_that_torch_has_taken(llama, tmp_path):
    source, adapted, _ = llama
    folder, again = tmp_path / "hydra", tmp_path / "again"
    folder.mkdir()
    write_hydra(VocabularySource("tt", adapted, {}), [VocabularySource("to", source, {})], folder)
    model, _ = load_translator(folder)
    plain = AutoModelForCausalLM.from_pretrained(source)
    assert torch.equal(model.head("to").weight, plain.lm_head.weight)
    model.add_vocabulary({"name": "eval", "tokenizer": ""}, torch.randn(7, 32), torch.randn(7, 32))
    before = {name: model.head(name).weight for name in ("tt", "to", "eval")}
    for name in ("to", "eval", "tt"):
        model.swap_head(name)
        assert all(torch.equal(model.head(one).weight, before[one]) for one in before)
    model.save_pretrained(again)
    saved = AutoModelForCausalLM.from_pretrained(again)
    assert all(torch.equal(saved.head(one).weight, before[one]) for one in before)


def test_no_two_heads_are_called_the_same_and_most_as_their_vocabulary():
    names = ("tt", "to", "eval", "vocabulary_tt", "vocabulary_to", "vocabulary_vocabulary_to")
    assert len({head_key(name) for name in names}) == len(names)
    assert head_key("tt") == "tt"


def test_the_padding_row_is_that_of_the_vocabulary_that_is_written(llama):
    model, processor = load_translator(llama[2])
    offset = processor.offset("en")
    model.get_input_embeddings().padding_idx = model.config.base.pad_token_id = offset - 1
    ids = ids_of(processor, [("en", "the house")]) - offset
    exported = model.export_single("en")  # whose table may have no such row
    assert exported.get_input_embeddings().padding_idx is None
    logits = exported(ids).logits
    model.swap_head("en")
    assert model.get_input_embeddings().padding_idx is None
    assert torch.equal(model(ids).logits, logits)
