"""Chinese numerals: those that mean one number, and those that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.rules.numerals import number

_DIGITS = "零一二三四五六七八九"


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("零", 0),
        ("两", 2),
        ("十", 10),
        ("十二", 12),
        ("一百一十", 110),
        ("一百十", 110),
        ("两百", 200),
        ("一千零五", 1005),
        ("一千零五十", 1050),
        ("一千二百五十四", 1254),
        ("三百余", 300),
        ("十万三千二百五十六", 103_256),
        ("三万零五百", 30_500),
        ("一二〇", 120),
        ("二〇〇", 200),
        ("零点四", 0.4),
        ("一点五", 1.5),
    ],
)
def test_a_numeral_is_one_number(said, value):
    assert number(said) == value


@pytest.mark.parametrize(
    "said",
    [
        "",
        "一百二",
        "一千五",
        "三万二",
        "三五",
        "七二",
        "三四五",
        "二三十",
        "百",
        "万",
        "百余",
        "一百零",
        "十百",
        "点五",
        "一千二十",
    ],
)
def test_what_may_mean_another_number_means_none(said):
    assert number(said) is None


def spelled(value: int) -> str:
    """A number below 100,000 as it is written in full."""
    if value >= 10_000:
        low = value % 10_000
        return spelled(value // 10_000) + "万" + (("零" if low < 1000 else "") + spelled(low) if low else "")
    said, gap = "", False
    for power, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // power % 10
        if digit:
            said += ("零" if gap and said else "") + _DIGITS[digit] + name
        gap = not digit
    return said


@given(st.integers(1, 99_999))
def test_every_number_written_in_full_is_read(value):
    assert number(spelled(value)) == value
