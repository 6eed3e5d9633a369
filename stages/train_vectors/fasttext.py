"""fastText as gensim trains it, the same bytes every time."""

import zlib
from collections.abc import Sequence

import numpy as np
from gensim.models import FastText
from gensim.models.fasttext import FastTextKeyedVectors

from pipeline.errors import UserError
from stages.train_vectors.sentences import Sentences
from stages.train_vectors.settings import FastTextSettings


def train_fasttext(sentences: Sentences, settings: FastTextSettings) -> FastTextKeyedVectors:
    """Return the vectors of the units that occur `min_count` times, and of n-grams that occur in those.

    Raises UserError where no unit occurs so often.
    """
    most = int(np.bincount(sentences.units).max(initial=0))
    if most < settings.min_count:
        raise UserError(
            f"no unit of the text occurs min_count={settings.min_count} times (the most frequent: {most}): "
            "add text to the language's data cards, or lower min_count in the section vectors"
        )
    model = FastText(
        sentences=sentences,
        sg=int(settings.model == "skipgram"),
        vector_size=settings.dimension,
        epochs=settings.epochs,
        min_count=settings.min_count,
        window=settings.window,
        negative=settings.negative,
        alpha=settings.learning_rate,
        sample=settings.subsample,
        min_n=settings.ngram_min,
        max_n=settings.ngram_max,
        bucket=settings.buckets,
        seed=settings.seed,
        workers=1,  # several would race for the same rows
        hashfxn=_stable_hash,
    )
    vectors = model.wv
    occurring = np.zeros(len(vectors.vectors_ngrams), dtype=bool)
    for buckets in vectors.buckets_word:
        occurring[buckets] = True
    vectors.vectors_ngrams[~occurring] = 0  # untrained, and so nothing but noise
    return vectors


def _stable_hash(text: str) -> int:
    """Python's own hash of a text is another in every process."""
    return zlib.crc32(text.encode())


def vectors_of(names: Sequence[str], vectors: FastTextKeyedVectors, subwords: bool) -> np.ndarray:
    """Return a float32 row for each name, shape (names, dimension).

    A name that has no vector of its own gets the mean of its n-grams' where `subwords`, else zeros.
    """
    rows = np.zeros((len(names), vectors.vector_size), dtype=np.float32)
    for row, name in enumerate(names):
        if name and (subwords or name in vectors.key_to_index):
            rows[row] = vectors.get_vector(name)
    return rows
