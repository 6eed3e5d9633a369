"""Which lines and documents stay."""

from collections.abc import Sequence

from stages.shared.language_identification import LanguageJudge, letters, script_share
from stages.shared.text_settings import CleaningSettings, LanguageSettings


class Cleaner:
    """Judges normalised text; a judgement is a reason to drop, or None."""

    def __init__(self, settings: CleaningSettings, language: LanguageSettings) -> None:
        self.settings = settings
        self.script = language.script
        self.judge = LanguageJudge(language.code, settings.language_threshold, settings.language_letters)

    def line(self, text: str) -> str | None:
        """Judge one line: has it letters, of the script, and if it is long enough, of the language?"""
        if not text:
            return "empty"
        if not letters(text):
            return "no_letters"
        if script_share(text, self.script) < self.settings.script_share:
            return "script"
        return "language" if self.judge.other(text) else None

    def document(self, lines: Sequence[str]) -> str | None:
        """Judge a document by all its lines together, since messages are too short to be judged one by one."""
        return "language" if self.judge.other(" ".join(lines)) else None

    @property
    def notes(self) -> list[str]:
        """Return what a reader of the counts should know."""
        if self.judge.knows:
            return []
        return [f"lid.176 does not know '{self.judge.code}': language identification was skipped"]
