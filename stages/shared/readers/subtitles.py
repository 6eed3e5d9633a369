"""Subtitles without what nobody says in the film: adverts, the translators' names, marks for the hard of hearing."""

import re
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
MUSIC = re.compile(r"[♪♫♬♩#¶]+")
SPEAKER = regex.compile(r"^\p{Lu}[\p{Lu}'’.\- ]{1,24}(?:\(.{1,20}\))?\s?:\s+(?=\S)")
"""JAN: or DR. NO: at the start of what is said."""
DASH = re.compile(r"^\s*[-‐–—]\s*")
LETTER = re.compile(r"[^\W\d_]")


def clean_subtitles(lines: Iterable[str]) -> list[str]:
    """Return the sentences of a film that are spoken, those without letters left out.

    >>> clean_subtitles(["- [deur slaat dicht]", "JAN: Kom binnen.", "(zucht", "diep) Nee.", "♪ La la ♪"])
    ['Kom binnen.', 'Nee.', 'La la']
    >>> clean_subtitles(["Ondertiteling door: Piet", "Wat zei je?", "Download van www.OpenSubtitles.org"])
    ['Wat zei je?']
    """
    spoken = "\n".join(line for line in lines if not is_advert(line))
    spoken = BRACKETS.sub(lambda mark: "\n" * mark[0].count("\n"), spoken)
    cleaned = (clean_line(line) for line in spoken.split("\n"))
    return [line for line in cleaned if LETTER.search(line)]


def is_advert(line: str) -> bool:
    """Tell whether a line is about the subtitles and not of the film.

    >>> is_advert("Vertaling: ShareGenie"), is_advert("De vertaling van dat boek is slecht.")
    (True, False)
    """
    return ADVERT.search(line) is not None


def clean_line(line: str) -> str:
    """Return a line without notes of music, the dash of a new speaker and the speaker's name.

    >>> clean_line("- DR. NO: Ga zitten, meneer Bond."), clean_line("Hij zei: nee.")
    ('Ga zitten, meneer Bond.', 'Hij zei: nee.')
    """
    line = DASH.sub("", MUSIC.sub(" ", line))
    return " ".join(DASH.sub("", SPEAKER.sub("", line)).split())
