"""Places in texts are counted as clients in most languages count."""

from hypothesis import given
from hypothesis import strategies as st

from services.shared.model.utf16 import units


@given(st.text())
def test_units_are_those_of_utf16(text: str) -> None:
    assert units(text) == len(text.encode("utf-16-le")) // 2


def test_half_of_a_pair_is_one_unit() -> None:
    assert units("a\ud83d") == 2
