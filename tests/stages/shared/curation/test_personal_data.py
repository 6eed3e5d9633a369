"""Personal data gets placeholders; what only looks like it stays."""

import pytest
from curation_case import DUTCH, KLINGON, TATAR, language, one, pages

from pipeline.errors import UserError

NAMES = {"e-mail": "email", "ip": "ip_address", "iban": "iban", "telephone": "telephone", "number": "national_number"}


def replaced(text, language=DUTCH, **changed):
    found = one("personal_data", [text], language, **changed)
    return found.texts[0], {name: count for name, count in found.counts["personal_data"].items() if count}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jan.de-vries+x@mail.voorbeeld.nl", "e-mail"),
        ("info@münchen.de", "e-mail"),
        ("192.168.10.1", "ip"),
        ("2001:db8:85a3::8a2e:370:7334", "ip"),
        ("NL91 ABNA 0417 1643 00", "iban"),
        ("NL91ABNA0417164300", "iban"),
        ("DE89370400440532013000", "iban"),
        ("+31 20 552 11 11", "telephone"),
        ("0031205521111", "telephone"),
        ("020-5521111", "telephone"),
        ("(020) 552 11 11", "telephone"),
        ("06 12345678", "telephone"),
        ("06-12-34-56-78", "telephone"),
        ("06.12.34.56.78", "telephone"),
        ("111222333", "number"),
        ("1112.22.333", "number"),
    ],
)
def test_personal_data_is_replaced_and_counted(text, kind):
    expected = f"Zie [{kind}], of ([{kind}])."
    assert replaced(f"Zie {text}, of ({text}).") == (expected, {NAMES[kind]: 2})


@pytest.mark.parametrize(
    "text",
    [
        "Op 01-02-2024 10.15 uur, en op 1-1-2023 weer.",
        "Van 01.02.24-03.04.24, op 01-02-2024-10:15, 06/12/34 of 06-12-2034.",
        "NL91 ABNA 0417 1643 01 klopt niet.",  # check digits
        "111222334 is geen burgerservicenummer.",  # fails the test of eleven
        "Versie 7.4.7.2 en 1.2.3 en 300.1.1.1, en 2.4.5.48.",
        "Reizen in de jaren 1872-1874, zie 275 1768.",  # a number of eight digits that passes the test of eleven
        "ISBN 0-306-40615-2 staat in de bibliotheek.",
        "Tussen 1999 en 2024 waren het er 1 000 000.",
        "Om 12:30:45 begint het; gebruik a::b.",
        "Stuur @jan een bericht, of jan@localhost.",
        "IMG_0205521111.jpg en x0205521111",
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert replaced(text) == (text, {})


def test_telephones_and_numbers_are_the_languages():
    assert replaced("Шалтыратыгыз: 8 (843) 292-33-36.", TATAR)[0] == "Шалтыратыгыз: [telephone]."
    assert replaced("Bel 020-5521111 of +31 20 5521111.", KLINGON)[0] == "Bel 020-5521111 of [telephone]."
    assert replaced("ИНН 500100732259.", TATAR)[1] == {"national_number": 1}
    assert replaced("BSN 111222333.", KLINGON)[1] == {}


@pytest.mark.parametrize(
    ("code", "number"), [("fr", "01.40.20.50.50"), ("fr", "01-40-20-50-50"), ("hu", "06-30-123-4567")]
)
def test_pairs_of_digits_are_telephones_where_they_are_too_many_for_a_date(code, number):
    text = "01.40.20, 01/12/2024, 8/10/2023 10.15: {}."
    assert replaced(text.format(number), language(code))[0] == text.format("[telephone]")


BARE = [
    ("es", "Teléfono de contacto: {} / {}.", "912 34 56 78", "612345678"),
    ("es", "Llame al {} o por WhatsApp ({}).", "(91) 234 56 78", "612.34.56.78"),
    ("it", "Tel:{}, cell. {}", "333 1234567", "338/1234567"),
    ("pl", "Zapisy telefonicznie pod nr {} i {}!", "601 123 456", "22 123 45 67"),
    ("da", "RING PÅ TLF. {} eller mobil {}.", "33 12 34 56", "40123456"),
    ("cs", "Telefonní číslo: {}, mobil {}", "224 123 456", "601 123 456"),
    ("el", "Τηλ.: {} και {} (κιν.)", "210 1234567", "6944 123456"),
    ("el", "ΤΗΛΕΦΩΝΟ {}, fax {}", "22 345678", "22-345679"),
    ("pt", "Contacte-nos pelo telefone {} ou telemóvel {}.", "21 123 4567", "912 345 678"),
    ("et", "Helistage telefonil {} või {}.", "612 3456", "5123 4567"),
    ("lv", "Zvaniet pa tālr. {}, {}.", "67 123 456", "21234567"),
    ("mt", "Ċemplu fuq {} jew {}.", "2122 1234", "79123456"),
]


@pytest.mark.parametrize(("code", "text", "first", "second"), BARE)
def test_where_no_trunk_prefix_tells_telephones_a_word_before_them_does(code, text, first, second):
    spoken = language(code)
    assert replaced(text.format(first, second), spoken) == (text.format(*["[telephone]"] * 2), {"telephone": 2})
    for number in (first, second):
        without = f"1. {number}, 2 {number}."
        assert replaced(without, spoken, national_number=None) == (without, {})


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("da", "Mobil fra 1999, oplag 40123456 og 33 12 34 56."),  # too far behind
        ("da", "Mobilitet: 40123456"),  # another word
        ("da", "Telefon 12 34 56 78 findes ikke."),  # Denmark has no such number
        ("es", "Telefónica ganó 912 345 678,90 euros."),
        ("es", "Teléfono: 12-03-2024 o 12.03.2024-14.03.2024."),
        ("nl", "Tel. 612345678"),  # Dutch numbers begin with 0
        ("de", "Mobil: 333 1234567"),
    ],
)
def test_not_everything_behind_such_a_word_is_a_telephone(code, text):
    assert replaced(text, language(code), national_number=None) == (text, {})


def test_a_kind_can_be_left_as_it_is():
    text = "jan@voorbeeld.nl, 192.0.2.1"
    assert replaced(text, email=None)[0] == "jan@voorbeeld.nl, [ip]"
    assert replaced(text, ip_address=None, email="<weg>")[0] == "<weg>, 192.0.2.1"


def test_twice_changes_nothing_more():
    texts = [f"{page}\nMail jan@voorbeeld.nl of bel 020-5521111." for page in pages("dutch")]
    once = one("personal_data", texts)
    again = one("personal_data", once.texts)
    assert again.texts == once.texts != texts
    assert not again.counts["personal_data"]


def test_an_unknown_national_number_is_told():
    with pytest.raises(UserError, match=r"knows no national number 'nl\.bns'"):
        replaced("Nummer 111222333.", national_numbers={"nl": ["nl.bns"]})
