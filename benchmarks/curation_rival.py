"""datatrove's Gopher rules on documents from a JSON file; `benchmarks/curation.py` runs it in another environment.

Both sides take what stands between white space for a word, so that the rules are compared and not the tokenizers;
datatrove's own would only be slower. Prints JSON: seconds by rule, and each document's reason, "" where it stays.
"""

import json
import sys
from pathlib import Path
from time import process_time

from datatrove.data import Document
from datatrove.pipeline.filters import (
    GopherQualityFilter,
    GopherRepetitionFilter,
    gopher_quality_filter,
    gopher_repetition_filter,
)


def main(path: str, stop_words: str) -> None:
    """Run the filters one after the other, each on all the documents."""
    for module in (gopher_quality_filter, gopher_repetition_filter):
        module.split_into_words = lambda text, language: text.split()
    texts = json.loads(Path(path).read_text(encoding="utf-8"))
    filters = {
        "gopher_quality": GopherQualityFilter(stop_words=stop_words.split()),
        "gopher_repetition": GopherRepetitionFilter(),
    }
    seconds, reasons = {}, {}
    for name, rule in filters.items():
        began = process_time()
        verdicts = [rule.filter(Document(text=text, id="")) for text in texts]
        seconds[name] = process_time() - began
        reasons[name] = ["" if verdict is True else verdict[1] for verdict in verdicts]
    print(json.dumps({"seconds": seconds, "reasons": reasons}))


if __name__ == "__main__":
    main(*sys.argv[1:])
