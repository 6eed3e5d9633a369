"""Is a written answer right? Exact match and F1 of its words, as SQuAD has them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence


def normalise_answer(text: str, articles: Sequence[str]) -> str:
    """Return the text in small letters without punctuation and articles, its spaces single.

    SQuAD's steps in SQuAD's order (Rajpurkar et al. 2016, evaluate-v1.1.py), with MLQA's punctuation (Lewis et al.
    2020): all that Unicode calls so. Letters are compared as Unicode's compatibility caseless match has it.

    >>> normalise_answer("De  «Tweede» Kamer.", ["de", "het", "een"])
    'tweede kamer'
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text.casefold()).casefold())
    plain = "".join(character for character in folded if not unicodedata.category(character).startswith("P"))
    if articles:
        plain = re.sub(rf"\b({'|'.join(re.escape(word.casefold()) for word in articles)})\b", " ", plain)
    return " ".join(plain.split())


def exact_match(prediction: str, answer: str) -> float:
    """Return 1 for equal normalised texts, else 0."""
    return float(prediction == answer)


def token_f1(prediction: str, answer: str) -> float:
    """Return the harmonic mean of precision and recall over words, a word counted as often as both have it.

    Of two normalised texts. Where either has no words, it is 1 if neither has any (SQuAD 2.0).

    >>> token_f1("tweede kamer der staten", "tweede kamer")
    0.6666666666666666
    """
    written, wanted = prediction.split(), answer.split()
    if not written or not wanted:
        return float(written == wanted)
    common = sum((Counter(written) & Counter(wanted)).values())
    if not common:
        return 0.0
    precision, recall = common / len(written), common / len(wanted)
    return 2 * precision * recall / (precision + recall)


METRICS: dict[str, Callable[[str, str], float]] = {"exact_match": exact_match, "f1": token_f1}


def score_answer(prediction: str, answers: Sequence[str], articles: Sequence[str]) -> dict[str, float]:
    """Return each metric for the answer that fits the prediction best, from 0 to 1."""
    written = normalise_answer(prediction, articles)
    wanted = [normalise_answer(answer, articles) for answer in answers]
    return {name: max(metric(written, answer) for answer in wanted) for name, metric in METRICS.items()}
