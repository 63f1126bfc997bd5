"""A campaign's thermometer as a picture. Pure."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

_WORDS = {"recognitions": "recognitions", "hi5s": "hi5s", "distinct_receivers": "people thanked"}
_TOP, _BOTTOM = 24, 204
_UNSHOWN = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF])
"""What XML has no place for, or shows nothing of."""


class Reading(NamedTuple):
    """How far a goal is."""

    metric: str
    target: int
    value: int

    @property
    def percent(self) -> int:
        return 100 * self.value // self.target

    def document(self) -> dict[str, str | int]:
        return {**self._asdict(), "percent": self.percent}


def draw(title: str, reading: Reading) -> bytes:
    """An SVG that needs nothing else: no script, no style, no address."""
    height = min(reading.percent, 100) * (_BOTTOM - _TOP) // 100
    label = f"{reading.value} of {reading.target} {_WORDS[reading.metric]} ({reading.percent} %)"
    name, told = escape(title.translate(_UNSHOWN)), escape(label)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="264" viewBox="0 0 240 264" role="img">'
        f"<title>{name}: {told}</title>"
        '<rect x="42" y="20" width="36" height="196" rx="18" fill="#e5e7eb"/>'
        '<circle cx="60" cy="222" r="32" fill="#dc2626"/>'
        f'<rect x="48" y="{_BOTTOM - height}" width="24" height="{height + 12}" rx="4" fill="#dc2626"/>'
        '<g font-family="sans-serif" fill="#111827">'
        f'<text x="100" y="40" font-size="14">{reading.target}</text>'
        f'<text x="100" y="130" font-size="28" font-weight="bold">{reading.percent} %</text>'
        f'<text x="100" y="154" font-size="14">{reading.value}</text>'
        f'<text x="100" y="228" font-size="12">{_WORDS[reading.metric]}</text>'
        "</g></svg>"
    ).encode()
