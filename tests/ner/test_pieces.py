from hypothesis import example, given
from hypothesis import strategies as st

from backend.ner.pieces import cut


@given(st.text())
@example("")
@example("心")
@example("a\r\n\u3000 b")
@example("e\u0301\u200b\ufeff👨\u200d👩\u200d👧")
@example("𠀀𫝆７２次／分" * 1000)
def test_pieces_cover_every_code_point_once_and_in_order(text: str) -> None:
    assert "".join(text[start:end] for start, end in cut(text)) == text
    assert all(end - start == 1 for start, end in cut(text))


def test_each_character_of_a_run_of_letters_or_digits_is_its_own_piece() -> None:
    assert [("04:552.12s")[a:b] for a, b in cut("04:552.12s")] == list("04:552.12s")
