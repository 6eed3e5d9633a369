import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from stages.shared.mixture import Size, cap_limit, check_weights, place, repeats

IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
SIZES = st.lists(st.builds(Size, IDS, st.integers(1, 5000)), max_size=60, unique_by=lambda size: size.id)
NAMES = [f"wikipedia:{number}" for number in range(4000)]
PLACES_OF_ONE = {"weight": 0.7790210773127255, "cap": 0.44978808678978055}


def kept(sizes, cap, seed=1):
    limit = cap_limit(sizes, cap, seed)
    return {size.id for size in sizes if place(size.id, seed, "cap") < limit}


@pytest.mark.parametrize("decision", PLACES_OF_ONE)
def test_places_are_uniform_and_other_seeds_give_others(decision):
    places = [place(name, 1, decision) for name in NAMES]
    assert all(0 <= where < 1 for where in places)
    for tenth in range(10):
        share = sum(tenth / 10 <= where < (tenth + 1) / 10 for where in places) / len(places)
        assert share == pytest.approx(0.1, abs=0.02)
    assert places != [place(name, 2, decision) for name in NAMES]


def test_a_place_is_the_same_on_every_machine():
    for decision, expected in PLACES_OF_ONE.items():
        assert place("wikipedia:1", 1, decision) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 1.0, 1.3, 2.0, 2.5])
def test_a_weight_is_the_mean_number_of_repeats(weight):
    counts = [repeats(name, weight, 1) for name in NAMES]
    assert sum(counts) / len(counts) == pytest.approx(weight, abs=0.03)
    assert max(counts) - min(counts) <= 1
    if weight == int(weight):
        assert set(counts) == {int(weight)}


@given(IDS, st.floats(0, 9), st.floats(0, 9), st.integers(0, 9))
def test_a_larger_weight_never_reads_a_document_less_often(document, one, other, seed):
    assert repeats(document, min(one, other), seed) <= repeats(document, max(one, other), seed)


@given(SIZES, st.integers(1, 60_000), st.randoms(use_true_random=False))
def test_a_cap_holds_and_does_not_depend_on_the_order(sizes, cap, random):
    chosen = kept(sizes, cap)
    shuffled = list(sizes)
    random.shuffle(shuffled)
    assert kept(shuffled, cap) == chosen
    assert sum(size.bytes for size in sizes if size.id in chosen) <= cap


@given(SIZES, st.integers(1, 60_000))
def test_a_cap_takes_all_that_come_first_until_one_does_not_fit(sizes, cap):
    in_order, total, expected = sorted(sizes, key=lambda size: place(size.id, 1, "cap")), 0, set()
    for size in in_order:
        total += size.bytes
        if total > cap:
            break
        expected.add(size.id)
    assert kept(sizes, cap) == expected


@given(SIZES, st.integers(1, 60_000), st.integers(1, 60_000))
def test_a_larger_cap_keeps_what_a_smaller_one_keeps(sizes, one, other):
    assert kept(sizes, min(one, other)) <= kept(sizes, max(one, other))


@pytest.mark.parametrize("weight", [0.3, 0.5, 1.0, 2.5])
def test_under_a_cap_sources_keep_the_ratio_of_their_weights(weight):
    """Of one kilobyte a document, in all more than the cap whatever the weight."""
    weights = {"wikipedia": weight, "nllb": 1.0}
    read = {f"{card}:{n}": repeats(f"{card}:{n}", weights[card], 1) for card in weights for n in range(len(NAMES))}
    sizes = [Size(name, 1000 * times) for name, times in read.items() if times]
    chosen = kept(sizes, 2_000_000)
    first, second = (sum(read[name] for name in chosen if name.startswith(card)) for card in weights)
    assert 1990 <= first + second <= 2000
    assert first / second == pytest.approx(weight, rel=0.1)


def test_without_a_cap_everything_stays():
    sizes = [Size(name, 10) for name in NAMES]
    assert kept(sizes, None) == set(NAMES) == kept(sizes, 10 * len(NAMES))


def test_a_weight_of_a_card_that_is_not_there_is_named():
    with pytest.raises(UserError, match="Did you mean 'wikipedia'") as caught:
        check_weights({"wikipeda": 2.0, "x": 1.0}, ["wikipedia", "nllb"])
    assert len(str(caught.value).splitlines()) == 2
    with pytest.raises(UserError, match="leave nothing"):
        check_weights({"wikipedia": 0, "nllb": 0}, ["wikipedia", "nllb"])
    check_weights({"wikipedia": 0}, ["wikipedia", "nllb"])
