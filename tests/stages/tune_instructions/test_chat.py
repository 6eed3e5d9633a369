"""Chat templates: carried over to another vocabulary, given to a model without; and which tokens the loss is on."""

from collections import Counter

import pytest
import torch
from tuning_case import DATA, SMOLLM2, make_bare_model, make_model, rows

from pipeline.errors import UserError
from stages.shared.byte_level_bpe import train_byte_level_bpe
from stages.shared.loading import load_causal_model, load_tokenizer
from stages.shared.tokenizer_conventions import read_conventions
from stages.shared.tokenizer_folder import write_tokenizer_folder
from stages.tune_instructions.chat import END, START, prepare_chat, render
from stages.tune_instructions.encoding import IGNORED, encode, encode_pairs, encode_rows

TURNS = [
    {"role": "user", "content": "Wat is Debian?"},
    {"role": "assistant", "content": "Een besturingssysteem."},
    {"role": "user", "content": "En Linux?"},
    {"role": "assistant", "content": "Een kernel.\nMeer niet."},
]
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + "
    "' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
FORGETFUL = "{% for message in messages %}{% if loop.last %}{{ message['content'] }}{% endif %}{% endfor %}"


@pytest.fixture
def tokenizer(case):
    return load_tokenizer(case["model"])


def answers_in(tokenizer, encoded):
    """Return the runs of tokens with labels as text."""
    runs, inside = [], False
    for token, label in zip(encoded.input_ids, encoded.labels, strict=True):
        assert label in (IGNORED, token)
        if label != IGNORED and not inside:
            runs.append([])
        inside = label != IGNORED
        if inside:
            runs[-1].append(token)
    return [tokenizer.decode(run) for run in runs]


def test_a_new_vocabulary_keeps_the_template_and_its_markers(case, tokenizer, tmp_path):
    conventions = read_conventions(case["model"])
    words = [(DATA / "dutch.txt").read_text(encoding="utf-8")]
    other = train_byte_level_bpe(words, 400, 1, conventions.special_tokens, "tokenizer.vocabulary_size")
    write_tokenizer_folder(other, conventions, tmp_path)
    new = load_tokenizer(tmp_path)
    assert render(new, TURNS) == render(tokenizer, TURNS)
    assert render(new, TURNS[:1], asked=True).endswith(f"{START}assistant\n")
    for marker in (START, END):
        assert len(new(marker, add_special_tokens=False)["input_ids"]) == 1
    assert new("kernel")["input_ids"] != tokenizer("kernel")["input_ids"]
    assert answers_in(new, encode(new, TURNS)) == answers_in(tokenizer, encode(tokenizer, TURNS))


def test_the_loss_is_on_each_answer_and_what_ends_it(tokenizer):
    encoded = encode(tokenizer, TURNS)
    assert answers_in(tokenizer, encoded) == [f"Een besturingssysteem.{END}", f"Een kernel.\nMeer niet.{END}"]
    assert tokenizer.decode(encoded.input_ids) == render(tokenizer, TURNS)
    only = encode(tokenizer, TURNS, only_last=True)
    assert answers_in(tokenizer, only) == [f"Een kernel.\nMeer niet.{END}"]


def test_a_template_without_markers_around_the_question(tokenizer):
    tokenizer.chat_template, tokenizer.eos_token = MISTRAL, END
    assert answers_in(tokenizer, encode(tokenizer, TURNS)) == [
        f"Een besturingssysteem.{END}",
        f"Een kernel.\nMeer niet.{END}",
    ]


def test_a_template_that_forgets_earlier_turns_is_refused(tokenizer):
    tokenizer.chat_template = FORGETFUL
    with pytest.raises(UserError, match=r"turn 2 of 4 differently when others follow.*chat_template=chatml"):
        encode(tokenizer, TURNS)


def test_what_is_too_long_is_cut_and_counted_and_markers_in_a_text_are_left_out(tokenizer):
    length = len(encode(tokenizer, TURNS).input_ids)
    marked = [{"role": "user", "content": f"Hallo {END}"}, TURNS[1]]
    given = [{"messages": TURNS, "rejected": None}, {"messages": marked, "rejected": None}]
    counts = Counter()
    (cut,) = encode_rows(tokenizer, given, length - 3, counts)
    assert len(cut.input_ids) == length - 3
    assert counts == {"rows": 2, "truncated": 1, "tokens_cut": 3, "left_out_with_markers": 1}
    counts = Counter()
    assert encode_rows(tokenizer, given[:1], 8, counts) == []
    assert counts["left_out_too_long"] == 1


def test_pairs_are_encoded_as_trl_encodes_them(tokenizer):
    from trl.data_utils import is_conversational

    (pair,) = encode_pairs(tokenizer, rows(1), 512, Counter())
    assert is_conversational(pair.row)
    asked = tokenizer.apply_chat_template(pair.row["prompt"], add_generation_prompt=True, return_dict=False)
    for side in (pair.chosen, pair.rejected):
        assert side.input_ids[: len(asked)] == asked
        assert side.labels[: len(asked)] == [IGNORED] * len(asked)
        assert side.labels[len(asked)] == side.input_ids[len(asked)]


def test_a_model_without_a_template_is_given_chatml(tmp_path):
    folder = make_model(tmp_path / "model", template=None)
    with pytest.raises(UserError, match=r"no chat template to keep; choose tuning.sft.chat_template=chatml"):
        prepare_chat(load_causal_model(folder, torch.float32), load_tokenizer(folder), "keep")


def test_markers_that_the_vocabulary_lacks_begin_as_the_rows_of_begin_and_end(tmp_path):
    folder = make_bare_model(tmp_path / "model", tied=True)
    model, tokenizer = load_causal_model(folder, torch.float32), load_tokenizer(folder)
    known = model.get_input_embeddings().weight.detach().clone()
    chat = prepare_chat(model, tokenizer, "chatml")
    assert chat.changed
    assert chat.added_tokens == (START, END)
    table = model.get_input_embeddings().weight.detach()
    assert torch.equal(table[:500], known)
    assert len(table) == 502 == model.config.vocab_size
    assert torch.equal(table[500:], known[[0, 0]])
    assert chat.end_ids == (501, 0)
    assert tokenizer.eos_token == END
    assert answers_in(tokenizer, encode(tokenizer, TURNS))[1] == f"Een kernel.\nMeer niet.{END}"


def test_markers_of_several_tokens_are_refused(case, tmp_path):
    folder = make_model(tmp_path / "model", SMOLLM2.replace(START, "<|turn|>"))
    with pytest.raises(UserError, match=r"marker '<\|turn\|>' is \d+ tokens in the vocabulary"):
        prepare_chat(load_causal_model(folder, torch.float32), load_tokenizer(folder), "keep")
