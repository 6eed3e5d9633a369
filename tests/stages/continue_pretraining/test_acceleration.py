"""What makes training faster or smaller leaves losses and gradients alone, and says what it lacks."""

import pytest
import torch
from accelerate import Accelerator
from tiny_decoders import SHAPE, save_decoder
from tiny_models import TEXTS, save_tiny_model
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor import config as inductor
from training_case import EXECUTION, TRAINING, losses, make_model, make_tokens, run_case
from transformers import AutoConfig, AutoModelForCausalLM

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.shared.held_out_text import write_texts
from stages.shared.training import acceleration
from stages.shared.training.acceleration import accelerate_model, attention_kernel
from stages.shared.training.batches import IGNORED
from stages.shared.training.loss import LossModel
from stages.shared.training.settings import TrainingSettings
from stages.shared.training.setup import load_model


def settings(**values) -> TrainingSettings:
    return TrainingSettings.model_validate(TRAINING | values)


def execution(**values) -> Execution:
    return Execution(**(EXECUTION | values))


@pytest.mark.filterwarnings("error:.*gradient_checkpointing:FutureWarning")  # a name that transformers will drop
@pytest.mark.parametrize("tied", [True, False])
def test_checkpointed_activations_give_the_same_gradients(tmp_path, tied):
    folder = make_model(tmp_path / "model", tied=tied, attention_dropout=0.1)
    inputs = torch.arange(32).reshape(2, 16)
    positions = (torch.arange(16) % 9).expand(2, 16)
    results, saved = [], []
    for checkpointing in (False, True):
        model = load_model(folder, settings(), torch.device("cpu"))
        accelerate_model(model, settings(), Accelerator(cpu=True), execution(activation_checkpointing=checkpointing))
        torch.manual_seed(3)  # dropout, which must fall on the same places when it is computed again
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, to=sizes: to.append(t.numel()) or t, lambda t: t):
            loss = LossModel(model, by_document=True)(inputs, inputs + 1, positions)
        loss.backward()
        results.append([loss.detach(), *(weight.grad for weight in model.parameters())])
        saved.append(sum(sizes))
    for plain, checkpointed in zip(*results, strict=True):
        assert torch.equal(plain, checkpointed)
    assert saved[1] < saved[0] / 3


def test_a_missing_compiler_is_named_before_the_first_step(tiny_model, tiny_tokens, tmp_path, monkeypatch):
    monkeypatch.setattr(inductor.cpp, "cxx", (None, "no-such-compiler"))
    with pytest.raises(UserError, match=r"needs a C\+\+ compiler \(no-such-compiler\).*cluster.compile=false"):
        run_case(tiny_model, tiny_tokens, tmp_path / "out", {"compile": True})


def test_flash_attention_is_taken_only_where_it_can_be():
    wanted, document = execution(attention_kernel="flash_attention_2"), settings(attention="document")
    with pytest.raises(UserError, match=r"cluster\.device=cuda; .*precision=bfloat16; .*flash-attn is not"):
        attention_kernel(document, wanted, None)
    assert attention_kernel(document, execution(attention_kernel="auto"), None) == "sdpa"


@pytest.mark.parametrize(
    ("attention", "window", "kernel"),
    [
        ("causal", None, "sdpa"),
        ("document", None, "flash_attention_2"),
        ("causal", 17, "sdpa"),
        ("causal", 16, "flash_attention_2"),
    ],
)
def test_flash_attention_is_taken_where_else_there_would_be_a_mask(monkeypatch, attention, window, kernel):
    monkeypatch.setattr(acceleration, "is_flash_attn_2_available", lambda: True)
    given = settings(attention=attention, precision="bfloat16", sequence_length=16)
    assert attention_kernel(given, execution(attention_kernel="auto", device="cuda"), window) == kernel
    masks = mask_of(window, attention, length=16)
    assert (masks is not None) is (kernel == "flash_attention_2"), "what transformers gives torch's own kernel"


@pytest.mark.parametrize(
    ("attention", "first", "chosen", "device", "said"),
    [
        ("document", True, "auto", "cuda", True),
        ("document", False, "auto", "cuda", False),
        ("document", True, "sdpa", "cuda", False),
        ("document", True, "auto", "cpu", False),
        ("causal", True, "auto", "cuda", False),
    ],
)
def test_one_process_says_where_flash_attention_is_missed(
    tmp_path, monkeypatch, capsys, attention, first, chosen, device, said
):
    monkeypatch.setattr(acceleration, "is_flash_attn_2_available", lambda: False)
    monkeypatch.setattr(Accelerator, "is_main_process", first)
    model, given = make_model(tmp_path / "model"), settings(attention=attention, precision="bfloat16")
    loaded = load_model(model, given, torch.device("cpu"))
    accelerate_model(loaded, given, Accelerator(cpu=True), execution(attention_kernel=chosen, device=device))
    assert ("mask of 8 x 8" in capsys.readouterr().err) is said


def mask_of(window, attention, length):
    """Return the mask that a Mistral's layers are given with torch's kernel, None where it is simply causal."""
    config = AutoConfig.for_model("mistral", vocab_size=40, sliding_window=window, **SHAPE)
    model, seen = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa"), []
    layer = model.model.layers[0].self_attn
    layer.register_forward_pre_hook(lambda _, args, named: seen.append(named["attention_mask"]), with_kwargs=True)
    ids = torch.arange(length)[None]
    LossModel(model, by_document=attention == "document")(ids, ids, ids % 9)
    return seen[0]


@pytest.mark.parametrize("attention", ["causal", "document"])
def test_no_token_of_a_training_sees_further_than_the_models_window(tmp_path, attention):
    folder = save_decoder(tmp_path / "model", 1, "mistral", vocab_size=40, sliding_window=4)
    model = load_model(folder, settings(), torch.device("cpu"))
    accelerate_model(model, settings(attention=attention), Accelerator(cpu=True), execution())
    places, labels = torch.arange(16)[None], torch.full((1, 16), IGNORED)
    labels[0, -1] = 3
    changed = {}
    for place in (7, 9):  # two layers of window 4: the last token sees what is at most 6 before it
        ids = places.clone()
        ids[0, place] = 30
        changed[place] = [
            LossModel(model, attention == "document")(given, labels, places).item() for given in (places, ids)
        ]
    assert changed[7][0] == changed[7][1]
    assert changed[9][0] != changed[9][1]


def test_only_training_steps_are_compiled(tmp_path, monkeypatch):
    """Texts and prompts have many shapes, and of one function torch.compile keeps few forms."""
    model, tokens, text = save_tiny_model(tmp_path / "model"), make_tokens(tmp_path / "tokens", 129, 320), tmp_path
    write_texts(text, [(str(number), document) for number, document in enumerate(TEXTS[:3])])
    watch = {"every_steps": 3, "text": {"bytes": 1, "document_bytes": 1, "seed": 1}, "max_new_tokens": 12}
    compile_layer = nn.Module.compile
    monkeypatch.setattr(acceleration, "check_compiler", lambda device: None)
    monkeypatch.setattr(nn.Module, "compile", lambda layer: compile_layer(layer, backend="eager"))
    torch._dynamo.reset()
    counters.clear()
    texts = {"held_out_target": text}
    run_case(model, tokens, tmp_path / "out", {"compile": True}, texts, watch=watch | {"prompts": ["een huis", "x"]})
    assert counters["stats"]["unique_graphs"] == len(TRAINING["phases"])
    assert counters["frames"]["total"] == counters["frames"]["ok"]


@pytest.mark.slow
def test_compiled_layers_give_the_same_losses(tiny_model, tiny_tokens, tmp_path):
    faster = {"compile": True, "activation_checkpointing": True}
    run_case(tiny_model, tiny_tokens, tmp_path / "plain", attention="document")
    run_case(tiny_model, tiny_tokens, tmp_path / "compiled", faster, attention="document")
    assert losses(tmp_path / "compiled") == pytest.approx(losses(tmp_path / "plain"), abs=1e-5)
