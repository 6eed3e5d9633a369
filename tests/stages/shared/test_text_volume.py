from stages.shared.documents import Document, Segment
from stages.shared.text_volume import Volume, volume


def document(*pairs):
    return Document("a", "a", tuple(Segment(*pair) for pair in pairs))


def test_each_line_counts_once_and_what_repeats_its_source_not_at_all():
    pairs = [("Open file", "Bestand openen"), ("Open", "Open"), ("Open a file", "Bestand openen"), ("Open file", "")]
    assert volume([document(*pairs), document(*pairs)]) == Volume(words=2, bytes=14, pairs=2)


def test_monolingual_text_has_no_pairs_and_bytes_are_of_utf_8():
    assert volume([document(("", "Юк"), ("", " Юк "))]) == Volume(words=1, bytes=4, pairs=0)


def test_nothing_is_zero():
    assert volume([]) == Volume(0, 0, 0)
