"""One spelling for every text: NFC, no control characters, no mark-up, single spaces."""

import html
import re
import unicodedata

import regex

# Only known tags: "<number>" in a message is a placeholder that people read.
INLINE = "a|abbr|acronym|application|b|bdi|big|cite|code|command|del|dfn|em|email|emphasis|envar|filename|font|i|icode|"
INLINE += "img|ins|interface|kbd|link|message|mark|meta|nobr|nowiki|numid|placeholder|q|quot|resource|s|samp|shortcut|"
INLINE += "small|span|strong|sub|sup|tt|u|var|warning|note|wbr|noinclude|ref"
BLOCK = "body|blockquote|br|center|dd|div|dl|dt|h[1-6]|head|hr|html|li|ol|p|para|pre|qt|script|style|subtitle|table|"
BLOCK += "tbody|td|th|thead|title|tr|ul|list|item"
INLINE_TAG = regex.compile(rf"</?(?:{INLINE})(?:\s[^<>]*)?/?>", regex.IGNORECASE)
BLOCK_TAG = regex.compile(rf"</?(?:{BLOCK})(?:\s[^<>]*)?/?>", regex.IGNORECASE)
MARKED = re.compile("[&<]|  ")
COMMENT = regex.compile(r"<!--.*?-->", regex.DOTALL)
# Invisible: surrogates, private use, unassigned, and formatting but the joiners that some scripts write with.
INVISIBLE = regex.compile(r"[\p{Cs}\p{Co}\p{Cn}[\p{Cf}--[\u200c\u200d]]\ufffd]", regex.VERSION1)
SPACE = regex.compile(r"[\s\p{Cc}\p{Z}]+")
# U+2581 is SentencePiece's own mark for a space, so that it would not come back from the tokenizer.
SENTENCEPIECE_SPACE = "\u2581"


def normalise(text: str) -> str:
    """Return a line without mark-up, control characters and double spaces, in NFC; twice gives the same as once.

    >>> normalise("<b>Druk op&nbsp;OK</b>  om verder\\tte gaan")
    'Druk op OK om verder te gaan'
    """
    if text.isascii() and text.isprintable() and not MARKED.search(text):
        return text.strip()  # most lines of most languages, ten times as fast
    before = None
    while before != text:
        before, text = text, _once(text)
    return text


def _once(text: str) -> str:
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = INLINE_TAG.sub("", BLOCK_TAG.sub(" ", COMMENT.sub(" ", text)))
    text = INVISIBLE.sub("", text.replace(SENTENCEPIECE_SPACE, "_"))
    return str(SPACE.sub(" ", unicodedata.normalize("NFC", text))).strip()
