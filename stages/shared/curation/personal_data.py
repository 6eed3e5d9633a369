"""Personal data: found by its form, and by check digits where it has some."""

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

import numpy as np
import phonenumbers
from stdnum import get_cc_module, iban

from pipeline.errors import UserError
from stages.shared.curation.batch import Batch, Integers
from stages.shared.curation.rewriting import Edit, edited
from stages.shared.curation.settings import PersonalDataSettings, with_english
from stages.shared.curation.verdict import Verdict
from stages.shared.text_settings import LanguageSettings

# The local part of RFC 5322 without quotation marks, and a domain whose letters may be of any script.
EMAIL = re.compile(
    r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}\w)?\.)+[^\W\d_]{2,24}(?!\w)"
)
IP_ADDRESS = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4})(?!\w|[.:][0-9A-Fa-f])"
)
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
# No more digits may follow, for "01.40.20.50.50" is a telephone, but another date may: "01-02-2024-03-02-2024".
DATE = r"\d{1,2}[-./]\d{1,2}[-./]\d{2}(?:\d\d)?"
NO_DATE = rf"(?!{DATE}(?:[-/]{DATE})?(?![-./]?\d))"
# With +, a trunk or international 0, or Russia's 8 in front: other runs of digits are rarely telephones. No dates
# ("01-02-2024 10.15") and no ISBN.
TELEPHONE = re.compile(
    rf"(?<![\w.,:/+-])(?<!ISBN )(?<!ISBN: ){NO_DATE}"
    r"(?:(?:\((?=[+\d ]{2,7}\)))?[+0]|8(?=[ (-]))(?:[ ()./-]{0,3}\d){6,14}(?!\w|[.,/:-]\d)"
)
# Without any of these, where telephones have no trunk prefix; looked for after a cue only.
BARE_TELEPHONE = re.compile(
    rf"(?<![\w/+-])(?<!\d[.,:]){NO_DATE}"
    r"(?:\((?=\d{1,4}\)))?[1-9](?:(?:[ ./-]|\)[ -]?)?\d){6,10}(?!\w|[.,/:-]\d)"
)
# Between cue and telephone: " de contacto: ", and perhaps a telephone or two before it, " / " or " og " behind each.
AFTER_CUE = r"\D{0,16}(?:[\d ()./-]{7,16}\D{1,4}){0,2}$"
CUE_CHARACTERS = 72
NATIONAL_NUMBER = re.compile(r"(?<![\w.,/+-])[A-Z]{0,6}\d(?:[ ./-]?[A-Z0-9]){6,15}(?!\w|[.,/-]\d)")
AT_SIGN, DIGIT = re.compile("@"), re.compile(r"\d")
SEVEN_DIGITS = re.compile(r"\d(?:[ ./)-]{0,2}\d){6}")
IP_HINT = re.compile(r"\d\.\d|:[0-9A-Fa-f]*:")
ZERO, NINE, AT = ord("0"), ord("9"), ord("@")
# "Versie 2.4.5.48": of addresses only one in 256 has no larger byte.
LARGEST_IN_VERSION = 63
# Every number known here has so many; shorter ones, which python-stdnum fills up with zeros, are "1872-1874".
NATIONAL_CHARACTERS = 9
# All but e-mail addresses and the shortest of IPv6 have so many digits in so many characters.
FEW_DIGITS, NEAR = 4, 16


class Kind(NamedTuple):
    """A kind of personal data: what it looks like, whether a piece of text is one, and what takes its place."""

    name: str
    hint: re.Pattern[str]
    """Any line with one has this: found faster."""
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]
    placeholder: str | None
    cue: re.Pattern[str] | None = None
    """What must stand right before it."""


def personal_data(batch: Batch, settings: PersonalDataSettings, language: LanguageSettings) -> Verdict:
    """Put placeholders for personal data, counted by kind; no document is dropped."""
    wanted = kinds(settings, language.code)
    edits: dict[int, list[Edit]] = {}
    counts = Counter[str]()
    for number in suspects(batch):
        start, end = batch.lines.starts[number], batch.lines.ends[number]
        line = batch.text(start, end)
        new = line
        for kind in wanted:
            new, count = _replaced(new, kind)
            counts[kind.name] += count
        if new != line:
            document = int(batch.lines.documents[number])
            begin = int(start - batch.starts[document])
            edits.setdefault(document, []).append((begin, begin + len(line), new))
    texts = {document: edited(batch.texts[document], parts) for document, parts in edits.items()}
    return Verdict(texts=texts, counts=counts)


def suspects(batch: Batch) -> Integers:
    """Return the numbers of the lines with an @ or several digits near each other: few, and the others have nothing."""
    digits = np.flatnonzero((batch.points >= ZERO) & (batch.points <= NINE))
    near = digits[FEW_DIGITS - 1 :] - digits[: 1 - FEW_DIGITS] <= NEAR
    places = np.concatenate([digits[FEW_DIGITS - 1 :][near], np.flatnonzero(batch.points == AT)])
    return batch.pieces_at(batch.lines, places)


def kinds(settings: PersonalDataSettings, code: str) -> list[Kind]:
    """Return the kinds that are looked for, in this order: what is replaced is not looked at again.

    Raises UserError for a national number that python-stdnum does not know.
    """
    regions = settings.telephone_regions.get(code, ())
    bare = tuple(region for region in regions if _has_no_trunk_prefix(region))
    cues = "|".join(map(re.escape, with_english(settings.telephone_cues, code)))
    cue = re.compile(rf"(?<!\w)(?:{cues})(?!\w){AFTER_CUE}", re.IGNORECASE)
    called = settings.telephone if bare and cues else None
    checks = [_national_check(name) for name in settings.national_numbers.get(code, ())]
    every = [
        Kind("email", AT_SIGN, EMAIL, lambda text: True, settings.email),
        Kind("ip_address", IP_HINT, IP_ADDRESS, _is_ip_address, settings.ip_address),
        Kind("iban", DIGIT, IBAN, iban.is_valid, settings.iban),
        Kind("telephone", DIGIT, TELEPHONE, functools.partial(_is_telephone, regions), settings.telephone),
        Kind("telephone", SEVEN_DIGITS, BARE_TELEPHONE, functools.partial(_is_telephone, bare), called, cue),
        Kind("national_number", DIGIT, NATIONAL_NUMBER, functools.partial(_is_any, checks), settings.national_number),
    ]
    return [kind for kind in every if kind.placeholder is not None]


def _replaced(line: str, kind: Kind) -> tuple[str, int]:
    if kind.placeholder is None or not kind.hint.search(line):
        return line, 0
    edits = [
        (found.start(), found.end(), kind.placeholder)
        for found in kind.pattern.finditer(line)
        if _is_told(kind, found) and kind.holds(found.group())
    ]
    return edited(line, edits) if edits else line, len(edits)


def _is_told(kind: Kind, found: re.Match[str]) -> bool:
    begin = max(0, found.start() - CUE_CHARACTERS)
    return kind.cue is None or kind.cue.search(found.string, begin, found.start()) is not None


def _is_ip_address(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if address.version == 4:
        return max(address.packed) > LARGEST_IN_VERSION
    return any(map(str.isdigit, text))  # "a::b" is code


def _is_any(checks: Sequence[Callable[[str], bool]], text: str) -> bool:
    long_enough = sum(map(str.isalnum, text)) >= NATIONAL_CHARACTERS
    return long_enough and any(check(text) for check in checks)


def _has_no_trunk_prefix(region: str) -> bool:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return metadata is not None and metadata.national_prefix is None


def _is_telephone(regions: tuple[str, ...], text: str) -> bool:
    international = text.startswith(("+", "(+", "00"))
    for region in (None,) if international else regions:
        try:
            number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


@functools.cache
def _national_check(name: str) -> Callable[[str], bool]:
    country, _, number = name.partition(".")
    module: Any = get_cc_module(country, number)
    if module is None:
        raise UserError(
            f"python-stdnum knows no national number '{name}' (personal_data.national_numbers). Write one as "
            "country and module, for example nl.bsn; its documentation lists them"
        )
    return module.is_valid  # type: ignore[no-any-return]
