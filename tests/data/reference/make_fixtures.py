"""Runs the authors' FOCUS and WECHSEL on small vocabularies and freezes what they were given and what they gave.

In an environment of its own: deepfocus==1.0.1, wechsel==0.0.4, fasttext-wheel==0.9.2, entmax==1.3, fastdist==1.1.7,
numba==0.68.1, scikit-learn==1.9.1, nltk==3.10.4, gensim==4.4.0, numpy==2.4.6, and transformers, tokenizers, datasets
and torch as in constraints.txt. `python tests/data/reference/make_fixtures.py` writes the files beside it.
"""

import json
import re
import tempfile
from pathlib import Path

import deepfocus.focus
import fasttext
import numpy as np
import torch
import wechsel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent
SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
DIMENSION, HIDDEN = 16, 8
DICTIONARY = """the de|and en|of van|you u|is is|in in|to naar|not niet|with met|for voor|if als|can kunt|or of|a een
document document|text tekst|cell cel|cells cellen|file bestand|number getal|value waarde|function functie
formula formule|table tabel|Click Klik|Choose Kies|Select Selecteer|window venster|page pagina|line regel|data gegevens
field veld|button knop|object object|style stijl|icon pictogram|range bereik|column kolom|row rij|by door|this deze
are zijn|Example Voorbeeld|result resultaat|first eerste|name naam|new nieuwe|all alle|database database|from van
on op"""


def main() -> None:
    """Write tokenizers, vectors and the two references' tables."""
    english, dutch = ((HERE.parent / f"{name}.txt").read_text(encoding="utf-8") for name in ("english", "dutch"))
    source, target = byte_level(english), sentencepiece(dutch)
    source.save_pretrained(HERE / "source")
    target.save_pretrained(HERE / "target")
    generator = np.random.default_rng(1)
    table = generator.normal(0.01, 0.05, (len(source), HIDDEN)).astype(np.float32)
    token_vectors = train_token_vectors(target, dutch)
    found = {"table": table, "token_vectors": token_vectors}
    for match, options in {"exact": {}, "fuzzy": {"fuzzy_match_all": True}}.items():
        found[f"focus_{match}"] = run_focus(source, target, table, token_vectors, options)
    found |= run_wechsel(source, target, table, {"source": words_of(english), "target": words_of(dutch)})
    np.savez_compressed(HERE / "reference.npz", **found)


def byte_level(text: str) -> PreTrainedTokenizerFast:
    """Train on the text; ids in the order of strings, in which deepfocus then finds what several tokens could match."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=SPECIAL, initial_alphabet=alphabet)
    trained.train_from_iterator(text.split("\n"), trainer)
    return with_vocabulary(trained, SPECIAL + sorted(set(trained.get_vocab()) - set(SPECIAL)))


def sentencepiece(text: str) -> PreTrainedTokenizerFast:
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trained.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trained.train_from_iterator(text.split("\n"), trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIAL))
    by_id = sorted(trained.get_vocab().items(), key=lambda entry: entry[1])
    return with_vocabulary(trained, SPECIAL + BYTES + [token for token, _ in by_id if token not in SPECIAL])


def with_vocabulary(trained: Tokenizer, tokens: list[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer with these tokens in this order."""
    described = json.loads(trained.to_str())
    described["model"] |= {"vocab": {token: row for row, token in enumerate(tokens)}}
    described["model"]["byte_fallback"] = "<0x00>" in tokens
    for token in described["added_tokens"]:
        token["id"] = tokens.index(token["content"])
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(described)), **names)


def plain_text(tokenizer: PreTrainedTokenizerFast, row: int) -> str:
    """Return what a token stands for; nothing for special tokens, spaces, bytes and parts of characters."""
    token = tokenizer.convert_ids_to_tokens(row)
    if token in SPECIAL or token in BYTES:
        return ""
    text = tokenizer.decode(row)
    return "" if "\ufffd" in text else text.strip()


def train_token_vectors(target: PreTrainedTokenizerFast, text: str) -> np.ndarray:
    lines = [" ".join(target.tokenize(line)) for line in text.split("\n") if line.strip()]
    model = train_fasttext(lines)
    known = set(model.get_words())
    vectors = np.zeros((len(target), DIMENSION), dtype=np.float32)
    for row in range(len(target)):
        token = target.convert_ids_to_tokens(row)
        if token in known and plain_text(target, row):
            vectors[row] = model.get_word_vector(token)
    return vectors


def words_of(text: str) -> list[str]:
    return [" ".join(re.findall(r"\w+|[^\w\s]", line)) for line in text.split("\n") if line.strip()]


def train_fasttext(lines: list[str]) -> "fasttext.FastText._FastText":
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        options = {"model": "cbow", "neg": 10, "epoch": 150, "minCount": 2, "bucket": 5000, "minn": 3, "maxn": 6}
        return fasttext.train_unsupervised(str(path), dim=DIMENSION, thread=1, **options)


def run_focus(
    source: PreTrainedTokenizerFast,
    target: PreTrainedTokenizerFast,
    table: np.ndarray,
    vectors: np.ndarray,
    options: dict[str, bool],
) -> np.ndarray:
    """Return deepfocus' table, its auxiliary model replaced by the vectors."""
    known = {target.convert_ids_to_tokens(row): vectors[row] for row in range(len(target)) if vectors[row].any()}
    deepfocus.focus.load_target_token_embedding = lambda **_: known
    made = deepfocus.focus.FOCUS(
        target, source, torch.from_numpy(table), fasttext_model_path="frozen", verbosity="silent", **options
    )
    return made.numpy()


def run_wechsel(
    source: PreTrainedTokenizerFast, target: PreTrainedTokenizerFast, table: np.ndarray, lines: dict[str, list[str]]
) -> dict[str, np.ndarray]:
    """Return wechsel's table, made with the vectors of tokens returned beside it, and its dictionary's words."""
    pairs = [pair.split(" ") for pair in DICTIONARY.replace("\n", "|").split("|")]
    path = HERE / "dictionary.tsv"
    path.write_text("".join(f"{one}\t{other}\n" for one, other in pairs), encoding="utf-8")
    trained = {name: train_fasttext(part) for name, part in lines.items()}
    found: dict[str, np.ndarray] = {}
    for side, (name, tokenizer) in enumerate({"source": source, "target": target}.items()):
        spelled = {form for pair in pairs for form in (pair[side], pair[side].lower(), pair[side].title())}
        words = sorted(word for word in spelled if trained[name].get_word_id(word) >= 0)
        found[f"{name}_words"] = np.array(words)
        found[f"{name}_word_vectors"] = np.stack([trained[name].get_word_vector(word) for word in words])
        texts = [plain_text(tokenizer, row) for row in range(len(tokenizer))]
        vectors = [trained[name].get_word_vector(text) if text else np.zeros(DIMENSION) for text in texts]
        # Without the noise `house` and ` house` tie, and the authors' partition takes either as the tenth.
        noise = np.random.default_rng(2).normal(1, 0.02, (len(vectors), DIMENSION))
        found[f"{name}_vectors"] = (np.stack(vectors) * noise).astype(np.float32)
    frozen = {id(source): found["source_vectors"], id(target): found["target_vectors"]}
    wechsel.get_subword_embeddings_in_word_embedding_space = lambda tokenizer, *_, **__: (
        frozen[id(tokenizer)].astype(np.float64),
        {},
    )
    made = wechsel.WECHSEL(trained["source"], trained["target"], bilingual_dictionary=str(path))
    found["wechsel"] = made.apply(source, target, table)[0]
    return found


if __name__ == "__main__":
    main()
