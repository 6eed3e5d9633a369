"""The two sides of benchmarks/training.py, each for a process of its own."""

import re
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LEARNING_RATE = 5e-5


def make_model(shape: dict[str, Any], length: int, folder: Path, device: str) -> None:
    """Write a Llama with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    with torch.device(device):
        model = LlamaForCausalLM(LlamaConfig(**shape, max_position_embeddings=length))
    model.to(torch.bfloat16).save_pretrained(folder)


def run_ours(end: Connection, config: Any, model_folder: str, steps: int) -> None:
    """Train with the project's loop, as the stage does it."""
    import numpy as np

    from stages.continue_pretraining.stage import Place, prepare
    from stages.continue_pretraining.watcher import Watcher
    from stages.shared.training.batches import Blocks
    from stages.shared.training.setup import TrainingData, load_model, make_accelerator
    from stages.shared.training.step import start_phase, take_step

    settings, execution = config.training, config.execution()
    accelerator = make_accelerator(settings.precision, settings.threads, execution)
    model = load_model(Path(model_folder), settings, accelerator.device)
    tokens = _tokens(settings, model.config.vocab_size, steps)
    blocks = Blocks(tokens, np.zeros(1, dtype=np.int64), settings.sequence_length, by_document=False)
    with tempfile.TemporaryDirectory() as out:
        place = Place(Path(out), accelerator, execution)
        training = prepare(settings, model, TrainingData(blocks, None, {}), Watcher(None, None, ()), place)
    module, weights = start_phase(training, 0)
    with training.feeder:
        for step in range(steps):
            end.recv()
            began = _now(execution.device)
            take_step(training, module, weights, step)
            end.send(_now(execution.device) - began)
    _report(end, model, config)


def run_trainer(end: Connection, config: Any, model_folder: str, steps: int) -> None:
    """Train with transformers' Trainer: SDPA, fused AdamW, sequences without padding, weights in float32."""
    import torch
    from transformers import AutoModelForCausalLM, PrinterCallback, Trainer, TrainerCallback

    from stages.shared.training.acceleration import checkpoint_activations

    settings, execution = config.training, config.execution()
    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32, attn_implementation="sdpa")
    if execution.activation_checkpointing:
        checkpoint_activations(model)  # as the Trainer would; its argument's name depends on transformers' version
    rows = _tokens(settings, model.config.vocab_size, steps)[:-1].reshape(-1, settings.sequence_length)

    class Clock(TrainerCallback):
        """Waits for the word before each step, and says how long it took."""

        began = 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            """Wait."""
            end.recv()
            self.began = _now(execution.device)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            """Tell the seconds."""
            end.send(_now(execution.device) - self.began)

    with tempfile.TemporaryDirectory() as folder:
        arguments = _trainer_arguments(config, folder, steps)
        torch.set_num_threads(settings.threads)
        data = [{"input_ids": torch.from_numpy(row), "labels": torch.from_numpy(row)} for row in rows]
        trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Clock()])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    _report(end, model, config)


SIDES = {"ours": run_ours, "trainer": run_trainer}


def _trainer_arguments(config: Any, folder: str, steps: int) -> Any:
    from transformers import TrainingArguments

    from stages.shared.training.one_gpu import on_one_gpu

    settings, execution = config.training, config.execution()
    options = TrainingArguments(
        folder,
        per_device_train_batch_size=execution.micro_batch,
        gradient_accumulation_steps=settings.global_batch // execution.micro_batch,
        max_steps=steps,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch_fused",
        bf16=settings.precision == "bfloat16",
        torch_compile=execution.compile,
        use_cpu=execution.device == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=execution.device == "cuda",
    )
    return on_one_gpu(options)  # as our side


def _tokens(settings: Any, vocabulary: int, steps: int) -> Any:
    import numpy as np

    count = steps * settings.global_batch * settings.sequence_length + 1
    return np.random.default_rng(1).integers(0, vocabulary, count)


def _now(device: str) -> float:
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def _report(end: Connection, model: Any, config: Any) -> None:
    import torch

    end.recv()
    gpu = config.execution().device == "cuda"
    parameters = sum(weight.numel() for weight in model.parameters())
    end.send(
        {
            "peak_memory_gb": (torch.cuda.max_memory_allocated() if gpu else _peak_memory_bytes()) / 1e9,
            "parameters": parameters,
            "flops_per_token": _flops_per_token(model, parameters, config.training.sequence_length),
            "device": torch.cuda.get_device_name() if gpu else f"cpu, {config.training.threads} threads",
        }
    )


def _flops_per_token(model: Any, parameters: int, length: int) -> float:
    """Return the operations of forward and backward; an input table that is not the head too is only looked up in."""
    shape = model.config
    looked_up = 0 if shape.tie_word_embeddings else shape.vocab_size * shape.hidden_size
    # Scores and their sums: 2 x 2 x width x length, half of it behind the causal mask, three times with the gradients.
    attention = 6 * shape.num_hidden_layers * shape.hidden_size * length
    return 6 * (parameters - looked_up) + attention


def _peak_memory_bytes() -> int:
    """Return this process' own peak; getrusage's would be that of the process that started it, where it was higher."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]
