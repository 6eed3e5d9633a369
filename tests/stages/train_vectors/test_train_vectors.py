import hashlib
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.errors import UserError
from pipeline.provenance import ROOT
from stages.shared.token_text import load_vocabulary
from stages.shared.vectors import read_vectors
from stages.train_vectors.fasttext import train_fasttext
from stages.train_vectors.sentences import LONGEST, token_sentences, word_sentences
from stages.train_vectors.settings import FastTextSettings, TrainVectorsSettings
from stages.train_vectors.stage import train_vectors

DATA = ROOT / "tests" / "data"
TOKENIZERS = {"source": DATA / "reference" / "source", "target": DATA / "reference" / "target"}
SMALL = {"dimension": 12, "epochs": 5, "min_count": 4, "buckets": 3000}


def fasttext_settings(unit="tokens", **changed):
    values = yaml.safe_load((ROOT / "conf" / "vectors" / "fasttext.yaml").read_text())[unit]
    return FastTextSettings(**{**values, **SMALL, **changed})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A corpus of real Dutch lines, and a bitext."""
    folder = tmp_path_factory.mktemp("inputs")
    dutch = (DATA / "dutch.txt").read_text(encoding="utf-8").split("\n\n")
    pairs = [line.split("\t") for line in (DATA / "en-nl.tsv").read_text(encoding="utf-8").splitlines()]
    columns = {"corpus": {"text": dutch}}
    columns["bitext"] = {f"{side}_text": [pair[n] for pair in pairs] for n, side in enumerate(("source", "target"))}
    for name, texts in columns.items():
        (folder / name).mkdir()
        ids = [str(number) for number in range(len(next(iter(texts.values()))))]
        pq.write_table(pa.table({"id": ids, **texts}), folder / name / "train.parquet")
    return folder


def run(inputs, out, unit="token", text="corpus", side="target", **changed):
    out.mkdir(exist_ok=True)
    given = {text: inputs / text, "tokenizer": TOKENIZERS[side]}
    settings = TrainVectorsSettings(unit=unit, vectors=fasttext_settings(f"{unit}s", **changed))
    metrics = train_vectors(settings, given, out, None)
    return metrics, read_vectors(out, load_vocabulary(TOKENIZERS[side]))


def test_token_vectors_are_those_of_tokens_seen_often_enough(inputs, tmp_path):
    metrics, vectors = run(inputs, tmp_path / "out")
    vocabulary = load_vocabulary(TOKENIZERS["target"])
    texts = pq.read_table(inputs / "corpus" / "train.parquet")["text"].to_pylist()
    seen = np.bincount(token_sentences(texts, vocabulary).units, minlength=len(vocabulary))
    assert vectors.tokens.dtype == np.float32
    np.testing.assert_array_equal(np.any(vectors.tokens != 0, axis=1), seen >= SMALL["min_count"])
    assert not vectors.tokens[vocabulary.special].any()
    assert metrics["running_units"] == seen.sum()
    assert vectors.names == ()


def test_words_of_either_language_and_the_tokens_among_them(inputs, tmp_path):
    _, target = run(inputs, tmp_path / "target", unit="word")
    _, source = run(inputs, tmp_path / "source", unit="word", text="bitext", side="source")
    assert {"functie", "een"} <= set(target.names)
    assert {"the", "document"} <= set(source.names)
    assert "een" not in source.names
    vocabulary = load_vocabulary(TOKENIZERS["target"])
    een = target.words[target.names.index("een")]
    np.testing.assert_array_equal(target.tokens[vocabulary.ids["▁een"]], een)
    bare = vocabulary.special | vocabulary.byte_fallback
    assert not target.tokens[vocabulary.special].any()
    assert np.any(target.tokens[~bare] != 0, axis=1).mean() > 0.9  # also of parts of words, by their n-grams


ELSEWHERE = """
import json, sys
from stages.train_vectors.fasttext import train_fasttext
from stages.train_vectors.fasttext import train_fasttext
from stages.train_vectors.sentences import word_sentences
from stages.train_vectors.settings import FastTextSettings
vectors = train_fasttext(word_sentences([sys.argv[1]]), FastTextSettings(**json.loads(sys.argv[2])))
print("digest", __import__("hashlib").sha256(vectors.vectors.tobytes()).hexdigest(), vectors.index_to_key[:9])
"""


def test_the_same_bytes_in_another_process():
    """Python hashes texts otherwise in each process, unless it is told not to."""
    text, settings = (DATA / "dutch.txt").read_text(encoding="utf-8")[:20_000], fasttext_settings("words")
    vectors = train_fasttext(word_sentences([text]), settings)
    digest = hashlib.sha256(vectors.vectors.tobytes()).hexdigest()
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, text, settings.model_dump_json()],
        env={**os.environ, "PYTHONHASHSEED": "123"},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == f"digest {digest} {vectors.index_to_key[:9]}"


def test_the_same_files_twice_and_others_from_another_seed(inputs, tmp_path):
    digests = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        run(inputs, tmp_path / name, seed=seed)
        files = sorted((tmp_path / name).iterdir())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1] != digests[2]


def test_text_without_enough_units_is_refused(inputs, tmp_path):
    with pytest.raises(UserError, match=r"min_count=1000000 times \(the most frequent: \d+\)"):
        run(inputs, tmp_path / "out", min_count=10**6)
    (tmp_path / "corpus").mkdir()
    empty = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    pq.write_table(empty, tmp_path / "corpus" / "train.parquet")
    with pytest.raises(UserError, match="has no text to train vectors on: add a corpus"):
        run(tmp_path, tmp_path / "out")


def test_sentences_are_lines_in_words_numbers_and_marks():
    found = word_sentences(["Auto's in 1998,\n\ndrie-en-twintig", "in " * (LONGEST + 3)])
    assert list(found)[:2] == [["Auto's", "in", "1998", ","], ["drie-en-twintig"]]
    assert [len(sentence) for sentence in found][2:] == [LONGEST, 3]
    assert list(found) == list(found)


def test_settings_refuse_ngrams_out_of_order():
    with pytest.raises(ValueError, match="ngram_min=7 is above ngram_max=6"):
        fasttext_settings(ngram_min=7)
