import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captcha_models.charset import BLANK, Charset, min_steps
from captcha_models.errors import InputError

TEXTS = st.lists(st.text(min_size=1, max_size=7), min_size=1).filter(
    lambda texts: len(set().union(*texts)) > 1
)


@settings(derandomize=True, deadline=None)
@given(TEXTS)
def test_decoding_undoes_encoding(texts: list[str]) -> None:
    charset = Charset.of(texts)
    rows = charset.encode(texts)
    assert [charset.decode(row) for row in rows] == texts
    assert rows.max() < charset.num_classes


def test_ids_begin_at_one_in_sorted_order_and_the_blank_pads() -> None:
    charset = Charset.of(["by5", "2"])
    assert charset.symbols == "25by"
    assert charset.encode(["by5", "2"]).tolist() == [[3, 4, 2], [1, BLANK, BLANK]]


def test_a_foreign_symbol_is_named_with_its_label() -> None:
    with pytest.raises(InputError, match="label 'abz': symbol 'z' is not in the alphabet ab"):
        Charset("ab").encode(["ab", "abz"])


@pytest.mark.parametrize("symbols", ["", "a", "aa"])
def test_alphabets_that_are_none(symbols: str) -> None:
    with pytest.raises(InputError, match="alphabet"):
        Charset(symbols)


@pytest.mark.parametrize(
    ("label", "steps"), [("", 0), ("abcde", 5), ("8cccc", 8), ("aabb", 6), ("abab", 4)]
)
def test_steps_count_equal_neighbours(label: str, steps: int) -> None:
    assert min_steps(label) == steps


def test_a_long_alphabet_and_a_space_are_told_readably() -> None:
    assert Charset("012").describe() == "012"
    assert Charset(" 12").describe() == "' 12'"
    many = Charset("".join(map(chr, range(0x4E00, 0x4E00 + 1500))))
    assert many.describe().startswith("1,500 symbols (一")
    assert len(many.describe()) < 100
