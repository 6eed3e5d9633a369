"""Tiny random encoders of RoBERTa's and BERT's shape, with tokenizers that know their special tokens by role."""

from pathlib import Path

import tiny_vocabularies as tiny
import torch
from tokenizers import processors
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

from stages.shared.token_text import LETTER_OF_BYTE

ROBERTA = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
BERT = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
ROLES = {"roberta": ROBERTA, "bert": BERT}
STYLES = {"roberta": "byte_level", "bert": "wordpiece"}


def save_tokenizer(folder: Path, kind: str, words: list[str], style: str | None = None) -> Path:
    """Save a tokenizer of the words with the special tokens of a kind of encoder, in its own style or another."""
    roles, style = ROLES[kind], style or STYLES[kind]
    tokens = [*dict.fromkeys(roles.values()), *(tiny.written(word, style) for word in words)]
    if style == "byte_level":
        tokens += [letter for _, letter in sorted(LETTER_OF_BYTE.items())]
    vocabulary = {token: row for row, token in enumerate(dict.fromkeys(tokens))}
    if style == "wordpiece":
        tokenizer = tiny.wordpiece(vocabulary)
        tokenizer.model.unk_token = roles["unk"]
    else:
        tokenizer = {"byte_level": tiny.byte_level, "sentencepiece": tiny.sentencepiece}[style](vocabulary)
    begin, end = roles["cls"], roles["sep"]
    pair = f"{begin} $A {end} {end} $B {end}" if kind == "roberta" else f"{begin} $A {end} $B:1 {end}:1"
    ids = [(token, vocabulary[token]) for token in (begin, end)]
    tokenizer.post_processor = processors.TemplateProcessing(f"{begin} $A {end}", pair, ids)
    names = {f"{role}_token": token for role, token in roles.items()}
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if kind == "bert" else [])]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **names)
    fast.save_pretrained(folder)
    return folder


def save_encoder(folder: Path, kind: str, words: list[str], tied: bool = True, spare_rows: int = 3) -> Path:
    """Save an encoder and its tokenizer; its biases by token are drawn too, which transformers begins at 0."""
    save_tokenizer(folder, kind, words)
    size = len(PreTrainedTokenizerFast.from_pretrained(folder)) + spare_rows
    sizes = {"vocab_size": size, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2, "max_position_embeddings": 72, "tie_word_embeddings": tied}
    torch.manual_seed(1)
    if kind == "roberta":
        ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
        model = RobertaForMaskedLM(RobertaConfig(**sizes, **ids, type_vocab_size=1, initializer_range=0.3))
    else:
        model = BertForMaskedLM(BertConfig(**sizes, pad_token_id=0, initializer_range=0.3))
    torch.nn.init.normal_(model.get_output_embeddings().bias)
    model.save_pretrained(folder)
    return folder
