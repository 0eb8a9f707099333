import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.parsing.quantities import read
from backend.rules.fold import fold


def quantity(said: str):
    folded = fold(said)
    return read(folded, 0, len(folded))


@pytest.mark.parametrize(
    ("said", "value", "unit"),
    [
        ("1,234次", 1234, "次"),
        ("９４,６４９次", 94649, "次"),
        ("0.68%", 0.68, "%"),
        ("-41°", -41, "°"),
        ("+118度", 118, "°"),
        ("72", 72, None),
        ("72 bpm", 72, "次/分"),
        ("111次/22.7h", 111, "次/22.7h"),
        ("111 次 / 24 h", 111, "次/24h"),
        ("10.2万次", 102_000, "次"),
        ("1.7 万个", 17_000, "个"),
        ("1万余次", 10_000, "次"),
        ("三十二阵", 32, "阵"),
        ("两次", 2, "次"),
        ("18.1%(20107/110888)", 18.1, "%"),
        ("数次", None, None),
        ("9" * 400, None, None),
    ],
)
def test_a_number_and_its_unit(said, value, unit):
    assert (quantity(said).value, quantity(said).unit) == (value, unit)


@pytest.mark.parametrize(
    ("said", "bounds"),
    [
        ("49-108次/分", (49, 108)),
        ("６２－１０８次／分", (62, 108)),
        ("350~450次/分", (350, 450)),
        ("108→58", (58, 108)),
        ("60 - 100bpm", (60, 100)),
        ("100次/分-120次/分", (100, 120)),
        ("-30~-10°", (-30, -10)),
        ("58/72/109bpm", (None, None)),
        ("60 -45 38", (None, None)),
    ],
)
def test_the_ends_of_a_range(said, bounds):
    assert quantity(said).bounds == bounds


@pytest.mark.parametrize(
    ("said", "values"),
    [("60° / -30° / 45°", [60, -30, 45]), ("60 -45 38", [60, -45, 38]), ("446/419ms", [446, 419]), ("5:4", [5, 4])],
)
def test_a_list_of_numbers_keeps_order_and_signs(said, values):
    assert [part.value for part in quantity(said).parts] == values


@given(st.text(alphabet="0123456789.,-~/:→ 次分°%+msV()十百三\n", max_size=30))
def test_any_reading_gives_numbers_at_their_offsets(said):
    parts = quantity(said).parts
    assert all(0 <= part.start < part.end <= len(said) for part in parts)
    assert list(parts) == sorted(parts, key=lambda part: part.start)
