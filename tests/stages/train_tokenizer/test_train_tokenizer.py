"""train_tokenizer: the base model's conventions, exact ids, exact round trips, the same bytes every time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from pipeline.errors import UserError
from pipeline.stage import Execution
from stages.shared.tokenizer_conventions import TokenizerConventions, read_conventions
from stages.shared.tokenizer_folder import write_tokenizer_folder
from stages.train_tokenizer.settings import TokenizerSettings, TrainTokenizerSettings
from stages.train_tokenizer.stage import train_tokenizer

ROOT = Path(__file__).resolve().parents[3]
DUTCH = [text for text in (ROOT / "tests/data/dutch.txt").read_text(encoding="utf-8").split("\n\n") if text.strip()]
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
KINDS = ("sentencepiece", "byte_bpe")
AWKWARD = [
    "",
    " ",
    "  twee  spaties  ",
    "\n\n\tregel\r\n",
    "\0nul\0",
    "e\u0301 \u0301los",
    "👩‍👩‍👧 🇳🇱",
    "<0x41> <unk> ##de Ġhuis",
    "jaar 1234567890 ١٢٣",
    "\ufeff\u200b\u00a0\u3000",
    "a" * 300,
    "=" * 77 + " " * 33,
    "\U0010ffff\ue000",
]


SMOLLM = {"unk_token": 0, "bos_token": 1, "eos_token": 2, "pad_token": 2}
SMOLLM_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>")


def base_folder(folder: Path, adds_bos: bool, roles: dict[str, str] | None = None) -> Path:
    """Save a byte-level tokenizer, by default with SmolLM2's special tokens."""
    folder.mkdir(parents=True)
    special = tuple(dict.fromkeys(roles.values())) if roles else SMOLLM_TOKENS
    roles = roles or {name: SMOLLM_TOKENS[number] for name, number in SMOLLM.items()}
    names = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    conventions = TokenizerConventions(special, roles, adds_bos, False, None, 2048, "left", TEMPLATE)
    write_tokenizer_folder(tokenizer, conventions, folder)
    return folder


def save_corpus(folder: Path, train: list[str], validation: list[str]) -> Path:
    folder.mkdir()
    for split, texts in {"train": train, "validation": validation}.items():
        ids = [f"{split}-{number}" for number in range(len(texts))]
        table = pa.table({"id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})
        pq.write_table(table, folder / f"{split}.parquet")
    return folder


def settings_of(kind: str, **changes: object) -> TrainTokenizerSettings:
    values = yaml.safe_load((ROOT / f"conf/tokenizer/{kind}.yaml").read_text())
    merged = {**values, "vocabulary_size": 600, **changes}
    return TrainTokenizerSettings(tokenizer=TokenizerSettings.model_validate(merged))


def train(kind: str, corpus: Path, base: Path, out: Path, **changes: object) -> dict:
    out.mkdir(parents=True)
    inputs = {"corpus": corpus, "base_model": base}
    return train_tokenizer(settings_of(kind, **changes), inputs, out, Execution.model_construct())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_corpus(tmp_path_factory.mktemp("corpus") / "corpus", DUTCH[5:], DUTCH[:5])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_folder(tmp_path_factory.mktemp("base") / "base", adds_bos=False)


@pytest.fixture(scope="module")
def trained(corpus: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("trained")
    for kind in KINDS:
        train(kind, corpus, base, folder / kind)
    return {kind: folder / kind for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_and_template_are_the_base_models(kind: str, trained: dict[str, Path], base: Path) -> None:
    new, old = AutoTokenizer.from_pretrained(trained[kind]), AutoTokenizer.from_pretrained(base)
    assert len(new) == 600
    for role in ("bos_token", "eos_token", "unk_token", "pad_token", "padding_side", "model_max_length"):
        assert getattr(new, role) == getattr(old, role), role
    assert read_conventions(trained[kind]) == read_conventions(base)
    messages = [{"role": "user", "content": "Hoi!"}]
    assert new.apply_chat_template(messages, tokenize=False) == old.apply_chat_template(messages, tokenize=False)
    ids = new("<|im_start|>Hoi!<|im_end|><repo_name>")["input_ids"]
    assert [new.decode([number]) for number in (ids[0], *ids[-2:])] == ["<|im_start|>", "<|im_end|>", "<repo_name>"]
    assert new.decode(ids, skip_special_tokens=True) == "Hoi!"


@pytest.mark.parametrize("kind", KINDS)
def test_bos_is_added_exactly_where_the_base_model_adds_it(kind: str, corpus: Path, tmp_path: Path) -> None:
    without = train_with_base(kind, corpus, tmp_path / "without", adds_bos=False)
    with_bos = train_with_base(kind, corpus, tmp_path / "with", adds_bos=True)
    plain = without("Een huis")["input_ids"]
    assert with_bos("Een huis")["input_ids"] == [with_bos.bos_token_id, *plain]
    assert without.bos_token_id not in plain
    assert with_bos("Een huis", add_special_tokens=False)["input_ids"] == plain


def train_with_base(kind: str, corpus: Path, folder: Path, adds_bos: bool):
    train(kind, corpus, base_folder(folder / "base", adds_bos), folder / "new")
    return AutoTokenizer.from_pretrained(folder / "new")


def test_ids_are_those_of_sentencepiece(trained: dict[str, Path]) -> None:
    processor = SentencePieceProcessor(model_file=str(trained["sentencepiece"] / "tokenizer.model"))
    tokenizer = AutoTokenizer.from_pretrained(trained["sentencepiece"])
    for text in [*AWKWARD, *DUTCH]:
        assert tokenizer(text)["input_ids"] == processor.encode(text), repr(text)
    for number in range(len(tokenizer)):
        assert tokenizer.convert_ids_to_tokens(number) == processor.id_to_piece(number)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet=" \n\tabden1.é👩", max_size=60))
def test_sentencepiece_ids_and_round_trip_of_any_text(text: str, trained: dict[str, Path]) -> None:
    text = text.replace("▁", "")
    folder = trained["sentencepiece"]
    ids = loaded(folder)(text)["input_ids"]
    assert ids == SPM.setdefault(folder, SentencePieceProcessor(model_file=f"{folder}/tokenizer.model")).encode(text)
    assert loaded(folder).decode(ids) == text


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet=" \n\tabden1.é▁👩", max_size=60))
def test_byte_level_round_trip_of_any_text(text: str, trained: dict[str, Path]) -> None:
    tokenizer = loaded(trained["byte_bpe"])
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("kind", KINDS)
def test_awkward_texts_survive(kind: str, text: str, trained: dict[str, Path]) -> None:
    tokenizer = loaded(trained[kind])
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


TOKENIZERS: dict[Path, object] = {}
SPM: dict[Path, SentencePieceProcessor] = {}


def loaded(folder: Path):
    if folder not in TOKENIZERS:
        TOKENIZERS[folder] = AutoTokenizer.from_pretrained(folder)
    return TOKENIZERS[folder]


@pytest.mark.parametrize("kind", KINDS)
def test_every_digit_is_a_token(kind: str, trained: dict[str, Path]) -> None:
    tokenizer = loaded(trained[kind])
    tokens = tokenizer.tokenize("2024", split_special_tokens=True)
    assert tokens == ["2", "0", "2", "4"] or all(token.startswith("<0x3") for token in tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_too_large_a_vocabulary_names_the_largest_possible(kind: str, corpus: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary_size=30000 is too large .* largest possible is (\d+)") as error:
        train(kind, corpus, base, tmp_path / "large", vocabulary_size=30000)
    largest = int(str(error.value).split("largest possible is ")[1].split(".")[0])
    train(kind, corpus, base, tmp_path / "largest", vocabulary_size=largest)
    assert len(AutoTokenizer.from_pretrained(tmp_path / "largest")) == largest


@pytest.mark.parametrize("kind", KINDS)
def test_too_small_a_vocabulary_is_said_plainly(kind: str, corpus: Path, base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="vocabulary_size=100 is too small"):
        train(kind, corpus, base, tmp_path / "small", vocabulary_size=100)


def test_corpus_without_text_is_said_plainly(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text"):
        train("sentencepiece", save_corpus(tmp_path / "corpus", [""], []), base, tmp_path / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_train_split_is_learnt(kind: str, base: Path, tmp_path: Path) -> None:
    secret = ["xyzzyplugh " * 200]
    train(kind, save_corpus(tmp_path / "corpus", DUTCH, secret), base, tmp_path / "out", vocabulary_size=500)
    assert not any("zzyp" in token for token in loaded(tmp_path / "out").get_vocab())


@pytest.mark.parametrize("kind", KINDS)
def test_figures_compare_with_the_base_tokenizer(kind: str, corpus: Path, trained: dict[str, Path]) -> None:
    metrics = json.loads((trained[kind] / "tokenizer_metrics.json").read_text())
    words = sum(len(text.split()) for text in DUTCH[:5])
    ids = sum(len(loaded(trained[kind])(text, add_special_tokens=False)["input_ids"]) for text in DUTCH[:5])
    assert metrics["tokens_per_word"] == round(ids / words, 4)
    assert metrics["base_tokens_per_word"] > 2 * metrics["tokens_per_word"]
    if kind == "sentencepiece":
        assert metrics["character_coverage"] > 0.99 > 0.02 > metrics["byte_fallback_share"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_whatever_folder_cores_and_hash_seed(
    kind: str, corpus: Path, base: Path, trained: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "a folder with another name"
    out.mkdir()
    code = (
        "import sys; from pathlib import Path; from pipeline.stage import Execution;"
        "from stages.train_tokenizer.settings import TrainTokenizerSettings as S;"
        "from stages.train_tokenizer.stage import train_tokenizer as f;"
        "s, c, b, o = sys.argv[1:]; i = {'corpus': Path(c), 'base_model': Path(b)};"
        "f(S.model_validate_json(s), i, Path(o), Execution.model_construct())"
    )
    arguments = [settings_of(kind).model_dump_json(), str(corpus), str(base), str(out)]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment, cwd=tmp_path)
    assert [path.name for path in sorted(out.iterdir())] == [path.name for path in sorted(trained[kind].iterdir())]
    for path in sorted(out.iterdir()):
        content = path.read_bytes()
        assert content == (trained[kind] / path.name).read_bytes(), path.name
        assert str(tmp_path).encode() not in content


def test_chat_token_that_is_not_registered_as_special_is_kept(corpus: Path, tmp_path: Path) -> None:
    folder = base_folder(tmp_path / "base", adds_bos=False)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("    ", normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE + "<tool>")
    assert read_conventions(folder).special_tokens[-1] == "<tool>"
    train("sentencepiece", corpus, folder, tmp_path / "out")
    assert loaded(tmp_path / "out").convert_tokens_to_ids("<tool>") == 4


ROLES = {
    "llama3": {"bos_token": "<|begin|>", "eos_token": "<|end|>"},
    "gpt2": dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>"),
    "padded": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
}


@pytest.mark.parametrize("roles", ROLES.values(), ids=ROLES)
@pytest.mark.parametrize("kind", KINDS)
def test_roles_that_are_missing_or_shared_stay_so(kind: str, roles: dict, corpus: Path, tmp_path: Path) -> None:
    folder = base_folder(tmp_path / "base", adds_bos=True, roles=roles)
    train(kind, corpus, folder, tmp_path / "out")
    assert read_conventions(tmp_path / "out") == read_conventions(folder)
    tokenizer = loaded(tmp_path / "out")
    assert tokenizer("huis")["input_ids"][0] == tokenizer.convert_tokens_to_ids(roles["bos_token"])
    assert len(tokenizer) == 600
    for text in AWKWARD:
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_sample_of_a_large_corpus_is_about_as_large_as_wanted(corpus: Path) -> None:
    from stages.shared.text_sample import text_bytes
    from stages.train_tokenizer.training_text import training_texts

    total = text_bytes(corpus / "train.parquet")
    sample = list(training_texts(corpus / "train.parquet", total // 2))
    assert 0.3 * total < sum(len(text.encode()) for text in sample) < 0.7 * total
    assert len(list(training_texts(corpus / "train.parquet", total))) == len(DUTCH) - 5


@pytest.mark.parametrize(("kind", "knob"), [("sentencepiece", {"threads": None}), ("byte_bpe", {"threads": 2})])
def test_knobs_of_the_other_kind_are_refused(kind: str, knob: dict) -> None:
    with pytest.raises(ValueError, match=rf"threads must be (set|null) for kind {kind}"):
        settings_of(kind, **knob)
