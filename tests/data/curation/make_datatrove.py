"""Write datatrove.json: what datatrove 0.10.1 (Apache-2.0) finds in real documents and in repetitive ones made of them.

    python -m venv DIR && DIR/bin/pip install "datatrove[processing]==0.10.1"
    DIR/bin/python tests/data/curation/make_datatrove.py

A document is named by its file and the numbers of its pages there. Words are what stands between white space.
"""

import json
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    GopherQualityFilter,
    GopherRepetitionFilter,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.pipeline.filters.gopher_repetition_filter import (
    find_all_duplicate,
    find_duplicates,
    find_top_duplicate,
    get_n_grams,
)

DATA = Path(__file__).resolve().parent.parent
STOP_WORDS = {"dutch": ["de", "het", "een", "en", "van"], "tatar": ["һәм", "да", "бу", "ул", "белән"]}
QUALITY = ("dutch", "tatar")


def main() -> None:
    """Judge and measure every document."""
    for module in (gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = lambda text, language: text.split()
    found = []
    for name in QUALITY:
        pages = (DATA / f"{name}.txt").read_text(encoding="utf-8").strip().split("\n\n")
        count = len(pages)
        chosen = [[n] for n in range(0, count, 2)] + [[n, n + 1, n + 2] for n in range(0, count - 2, 3)]
        chosen += [[n, n + 1, n] for n in range(0, count - 1, 5)] + [[n] * 3 for n in range(0, count, 9)]
        for numbers in chosen:
            text = "\n".join(pages[number] for number in numbers)
            found.append({"file": name, "pages": numbers} | judge(text, STOP_WORDS[name]))
    path = DATA / "curation" / "datatrove.json"
    rows = ",\n".join(json.dumps(row) for row in found)
    path.write_text(f'{{"stop_words": {json.dumps(STOP_WORDS, ensure_ascii=False)}, "documents": [\n{rows}\n]}}\n')


def judge(text: str, stop_words: list[str]) -> dict[str, object]:
    """Return both filters' reasons, "" for none, and what they are drawn from, in characters."""
    filters = {"quality": GopherQualityFilter(stop_words=stop_words), "repetition": GopherRepetitionFilter()}
    verdicts = {name: rule.filter(Document(text=text, id="")) for name, rule in filters.items()}
    reasons = {name: "" if verdict is True else verdict[1] for name, verdict in verdicts.items()}
    words, lines = text.split(), text.split("\n")
    top = {n: find_top_duplicate(get_n_grams(words, n)) if len(words) >= n else 0 for n in (2, 3, 4)}
    return reasons | {
        "top": top,
        "duplicate": {n: find_all_duplicate(words, n) for n in range(5, 11)},
        "lines": find_duplicates(lines),
    }


if __name__ == "__main__":
    main()
