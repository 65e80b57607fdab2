"""Confusables: letters of other alphabets that look like Latin ones."""

from __future__ import annotations

from typing import Final

__all__ = ["LOOKALIKES"]

_ROWS: Final = {
    "a": "ɑαаᎪꓮ𐊠",  # noqa: RUF001
    "b": "ƅβвьᏏᏴꓐꞵ𐊂𐊡𐌁",
    "c": "сᏟᴄⲥꓚ𐊢𐌂",  # noqa: RUF001
    "d": "ԁᎠᏧꓒꓓ",  # noqa: RUF001
    "e": "εеҽᎬꓰꬲ𐊆",
    "f": "ϝքẝꓝꞙꬵ𐊇𐊥",
    "g": "ƍɡԍցᏀᏳᶃꓖ",
    "h": "ηнһհᎻᏂⲏꓧ𐋏",
    "i": "ıɩɪιіӏᎥꙇ",  # noqa: RUF001
    "j": "ʝϳјᎫꓙ",
    "k": "κкᏦⲕꓗ",
    "l": "ǀᏞⲓⳑꓡꓲ𐊊𐌉",
    "m": "μϻмᎷⲙꓟ𐊰𐌑",
    "n": "ոռⲛꓠ",
    "o": "οσоօᴏᴑⲟꓳꬽ𐊒𐊫",  # noqa: RUF001
    "p": "ρрᏢⲣꓑ𐊕",  # noqa: RUF001
    "q": "ԛգզ",  # noqa: RUF001
    "r": "ʀгᎡᎱᏒᴦⲅꓣꭇꭈ",
    "s": "ƽѕտᏕᏚꓢꜱ𐊖",
    "t": "τтᎢⲧꓔ𐊗𐊱𐌕",
    "u": "ʋυսᴜꓴꞟꭎꭒ",  # noqa: RUF001
    "v": "νѵᏙᴠꓦ",  # noqa: RUF001
    "w": "ɯѡԝաᎳᏔᴡꓪ",  # noqa: RUF001
    "x": "χхⲭꓫꭓ𐊐𐊴𐌗",
    "y": "ɣʏγуүᎩᎽᶌỿⲩꓬꭚ𐊲",
    "z": "ζᏃᴢꓜ",
}
"""From the Unicode security data, ``confusables.txt`` (UTS #39; Copyright 1991 onwards Unicode,
Inc., Unicode licence v3), kept to single letters of Latin, Greek, Cyrillic, Armenian, Cherokee,
Lisu, Coptic and the old alphabets of Italy and Asia Minor, folded for case: where only the capital
looks like a Latin letter the small one goes with it, so that case never matters. ASCII is left
alone: folding 0 and o, or 1 and l, would make one of two account numbers."""

LOOKALIKES: Final = str.maketrans(
    {letter: latin for latin, letters in _ROWS.items() for letter in letters}
)
"""For ``str.translate``: each such letter, case-folded, to the Latin letter it looks like."""
