"""Numbers written in Chinese numerals: 七十二, 一千二百五十四, 三万余, 一二〇, 零点四.

Only what means one number is read: 一百二 (120, or 102?), 三五 (3 to 5) and 数十 are none.
"""

from __future__ import annotations

_ZEROS = "零〇○"
_DIGITS = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_POWERS = {"千": 1000, "百": 100, "十": 10}
_DIGIT = f"[{_ZEROS}{''.join(_DIGITS)}]"
_MYRIAD = 10_000

CHARACTERS = f"{_ZEROS}{''.join(_DIGITS)}{''.join(_POWERS)}万"
"""All that a whole number is written with."""
NUMERAL = rf"[{CHARACTERS}]{{1,12}}(?:点{_DIGIT}{{1,4}})?[余多]?"
"""Regular expression of what looks like a numeral; `number` says whether it is one."""


def number(said: str) -> int | float | None:
    """The number that a numeral means, None if it means none or more than one.

    >>> [number(said) for said in ("七十二", "两", "一千二百五十四", "三万余", "一二〇", "零点四", "一百零五")]
    [72, 2, 1254, 30000, 120, 0.4, 105]
    >>> [number(said) for said in ("一百二", "三五", "七二", "百", "二三十", "一千五", "")]
    [None, None, None, None, None, None, None]
    """
    whole, point, fraction = said.rstrip("余多").partition("点")
    value = _whole(whole)
    if value is None or not point:
        return value
    return float(f"{value}.{_digits(fraction)}") if fraction and _digits(fraction) else None


def _whole(said: str) -> int | None:
    if len(said) > 1 and (digits := _digits(said)):
        # 七二 may be 72 or 7 to 2: digit by digit is how numbers with a 〇 are written.
        return int(digits) if len(said) > 2 and any(zero in said for zero in _ZEROS) else None
    high, myriad, low = said.partition("万")
    above = _below_myriad(high)
    if not myriad or above is None:
        return above
    below = _below_myriad(low, power=_MYRIAD) if low else 0
    return None if below is None or not above else above * _MYRIAD + below


def _digits(said: str) -> str | None:
    """A numeral without powers as digits."""
    if not all(char in _ZEROS or char in _DIGITS for char in said):
        return None
    return "".join(str(_DIGITS.get(char, 0)) for char in said)


def _below_myriad(said: str, power: int | None = None) -> int | None:
    """A number below 10,000; `power` is the one that stands before it. A power that is skipped needs a 零."""
    if said in tuple(_ZEROS):
        return 0
    total, digit, zero = 0, None, False
    for char in said:
        if digit is not None and char not in _POWERS:
            return None
        if char in _ZEROS:
            if zero or power is None:
                return None
            zero = True
        elif char in _DIGITS:
            digit = _DIGITS[char]
        else:
            digit = 1 if digit is None and char == "十" else digit
            if digit is None or not _follows(_POWERS[char], power, zero):
                return None
            power = _POWERS[char]
            total, digit, zero = total + digit * power, None, False
    if digit is None:
        return None if zero or not total else total
    return total + digit if _follows(1, power, zero) else None


def _follows(power: int, before: int | None, zero: bool) -> bool:
    """Whether a power may follow another: the next one directly, a lower one after 零."""
    if before is None:
        return True
    return power < before and (power == before // 10) != zero
