"""Is a line in the language's script?"""

from collections import Counter

from stages.shared.curation.batch import Batch, shares
from stages.shared.curation.characters import LETTER, script_table
from stages.shared.curation.rewriting import empty_of, without_lines
from stages.shared.curation.settings import ScriptSettings
from stages.shared.curation.verdict import Verdict
from stages.shared.text_settings import LanguageSettings


def script(batch: Batch, settings: ScriptSettings, language: LanguageSettings) -> Verdict:
    """Drop lines without letters and lines in another script, counted as `lines_without_letters` and `lines_dropped`.

    The score is the share of a document's letters that are of the script.
    """
    lines = batch.lines
    letters = batch.within((batch.bits & LETTER) > 0, lines)
    ours = batch.within(script_table(language.script)[batch.points], lines)
    without = letters == 0
    dropped = without | (shares(ours, letters) < settings.min_line_share)
    total, of_script = batch.sums(lines.documents, letters), batch.sums(lines.documents, ours)
    counts = Counter(lines_without_letters=int(without.sum()), lines_dropped=int((dropped & ~without).sum()))
    return Verdict(
        dropped={"no_line_left": empty_of(batch, dropped)},
        texts=without_lines(batch, dropped),
        scores={"share": shares(of_script, total)},
        counts=counts,
    )
