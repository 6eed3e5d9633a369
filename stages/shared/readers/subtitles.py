"""Subtitles without what nobody says in the film: adverts, the translators' names, marks for the hard of hearing."""

import re
from collections import Counter
from collections.abc import Iterable

import regex

ADVERT = re.compile(
    r"""
    opensubtitles | subtitles?\.(org|net|com) | ondertitels?\.(nl|com|eu) | osdb\.link | addic7ed | subscene | podnapisi
    | bierdopper | nlondertitels | simply ?releases | yts\.\w\w | yify | \bQoQ\b | \bwww\.\w | https?://
    | @\w+\.(com|nl|net|org)\b
    | advertise\ your\ product | support\ us\ and\ become | please\ rate\ this\ sub | become\ vip\ member
    | ^\W*(ondertitel(ing|d|s)|vertal(ing|ers?)|vertaald|bewerk(t|ing)|gedownload|download(ed)?|subtitles?|captions?
        |captioning|sub(bed|s)|translat(ed|ion)|sync(ed|hroni[sz]ed|s|hro)?|resync(ed)?|ripp?(ed)?|untertitel|übersetzung
        |sous-titr\w+|traduction|sottotitoli|traduzione|subtítulos|traducción|legendas|tradução|napisy|субтитры|перевод)
      (\W+(and|en|und|et|e|y|&)\W+\w+)?\W*(door|van|voor|by|from|for|von|vom|par|a\ cura|di|por|przez|:|©|-)(\W|$)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Lines that name a site, or who made the subtitles, in the languages that this was read in."""
BRACKETS = re.compile(r"\[[^\[\]]{0,200}\]|\([^()]{0,200}\)|（[^（）]{0,200}）|\{[^{}]{0,200}\}|<[^<>\n]{1,50}>")
"""Noises and who speaks, also over the end of a line; {\\an8} and <i> are the file format's own."""
FORMATS_OWN = ("{", "<")
MUSIC = re.compile(r"[♪♫♬♩#¶]+")
SPEAKER = regex.compile(r"^\p{Lu}[\p{Lu}'’.\- ]{1,24}(?:\(.{1,20}\))?\s?:\s+(?=\S)")
"""JAN: or DR. NO: at the start of what is said."""
DASH = re.compile(r"^\s*[-‐–—]\s*")
LETTER = re.compile(r"[^\W\d_]")
ADVERTS, MARKS = "lines of adverts", "marks for the hard of hearing"


def clean_subtitles(lines: Iterable[str], removed: Counter[str]) -> list[str]:
    """Return the sentences of a film that are spoken, those without letters left out; count what else is removed.

    >>> removed = Counter()
    >>> clean_subtitles(["- [deur slaat dicht]", "JAN: Kom binnen.", "(zucht", "diep) Nee.", "♪ La la ♪"], removed)
    ['Kom binnen.', 'Nee.', 'La la']
    >>> clean_subtitles(["Ondertiteling door: Piet", "Wat zei je?", "Download van www.OpenSubtitles.org"], removed)
    ['Wat zei je?']
    >>> dict(removed)
    {'marks for the hard of hearing': 5, 'lines of adverts': 2}
    """
    spoken = []
    for line in lines:
        if is_advert(line):
            removed[ADVERTS] += 1
        else:
            spoken.append(line)

    def without(mark: re.Match[str]) -> str:
        removed[MARKS] += not mark[0].startswith(FORMATS_OWN)
        return "\n" * mark[0].count("\n")

    cleaned = (clean_line(line, removed) for line in BRACKETS.sub(without, "\n".join(spoken)).split("\n"))
    return [line for line in cleaned if LETTER.search(line)]


def is_advert(line: str) -> bool:
    """Tell whether a line is about the subtitles and not of the film.

    >>> is_advert("Vertaling: ShareGenie"), is_advert("De vertaling van dat boek is slecht.")
    (True, False)
    """
    return ADVERT.search(line) is not None


def clean_line(line: str, removed: Counter[str]) -> str:
    """Return a line without notes of music, the dash of a new speaker and the speaker's name.

    >>> clean_line("- DR. NO: Ga zitten, meneer Bond.", Counter()), clean_line("Hij zei: nee.", Counter())
    ('Ga zitten, meneer Bond.', 'Hij zei: nee.')
    """
    line, notes = MUSIC.subn(" ", line)
    line, speakers = SPEAKER.subn("", DASH.sub("", line))
    removed[MARKS] += notes + speakers
    return " ".join(DASH.sub("", line).split())
