"""Marshmallow fields with the contract's rules: what is not exactly right is refused, never mended."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import marshmallow as ma
from marshmallow import validate

LARGEST_ID = 2**53 - 1
MOST_IN_A_LIST = 100
_DECIMAL = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_DISARRANGING = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line breaks, and what turns the direction of writing."""
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that Unicode counts among letters and symbols, and that show nothing."""


class _Integer(ma.fields.Integer):
    """A JSON integer (`381.0` is one), or its decimal text; never a boolean, never a fraction."""

    default_error_messages = {"invalid": "Must be an integer."}

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        if isinstance(value, str) and not _DECIMAL.fullmatch(value):
            raise self.make_error("invalid", input=value)
        if not isinstance(value, int | float | str):
            raise self.make_error("invalid", input=value)
        return int(value)


class Id(_Integer):
    """A positive integer up to 2^53-1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(1, LARGEST_ID, **options)


class Count(_Integer):
    """An integer between two bounds, both included."""


class EpochSeconds(_Integer):
    """A moment as integer seconds since 1970-01-01 UTC."""

    def __init__(self, **options: Any) -> None:
        super().__init__(0, LARGEST_ID, **options)


class Text(ma.fields.String):
    """Unicode text, trimmed, `least` to `most` characters; NUL and lone surrogates are refused.

    What must not be empty must show something.
    """

    default_error_messages = {
        "blank": "Holds nothing that can be seen.",
        "length": "Must have between {least} and {most} characters.",
        "characters": "Holds a character that cannot be stored (NUL or half a surrogate pair).",
    }

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.least, self.most = least, most
        self.metadata = {**self.metadata, "minLength": least, "maxLength": most}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        if _UNSTORABLE.search(text):
            raise self.make_error("characters")
        if not self.least <= len(text) <= self.most:
            raise self.make_error("length", least=self.least, most=self.most)
        if self.least and not any(map(_is_visible, text)):
            raise self.make_error("blank")
        return text


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "ZC" and character not in _BLANK_LETTERS


class Line(Text):
    """A name as people are shown it among other words: text of one line, in the order in which it is written."""

    default_error_messages = {"line": "Must not have line breaks, control characters or marks of direction."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if _DISARRANGING.search(text):
            raise self.make_error("line")
        return text


class Pattern(Text):
    """Text of one form; `hint` tells a person which."""

    def __init__(self, pattern: str, hint: str, *, most: int = 200, **options: Any) -> None:
        super().__init__(0, most, **options)
        self.form, self.hint = re.compile(pattern), hint

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not self.form.fullmatch(text):
            raise ma.ValidationError(self.hint)
        return text


class HttpsUrl(Text):
    """An absolute https address of at most 2,000 characters, without credentials; on this machine http will do."""

    default_error_messages = {"url": "Must be an absolute https:// address without user or password."}
    _HERE = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1", re.ASCII)

    def __init__(self, **options: Any) -> None:
        super().__init__(9, 2000, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = urlsplit(text)
            host = parts.hostname or ""
            secure = parts.scheme == "https" or (parts.scheme == "http" and self._HERE.fullmatch(host) is not None)
            valid = secure and host != "" and "@" not in parts.netloc and parts.port != 0
        except ValueError:
            valid = False
        if not valid or any(character.isspace() or ord(character) < 32 for character in text):
            raise self.make_error("url")
        return text


class Truth(ma.fields.Boolean):
    """JSON's true and false and nothing else; with `from_text` the words `true` and `false` of a query string."""

    default_error_messages = {"invalid": "Must be true or false."}

    def __init__(self, *, from_text: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.from_text = from_text

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        if self.from_text and value in {"true", "false"}:
            return bool(value == "true")
        raise self.make_error("invalid", input=value)


class Choice(ma.fields.String):
    """One of a few words."""

    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        super().__init__(validate=validate.OneOf(choices, error="Must be one of: {choices}."), **options)


class _CommaList(ma.fields.Field[list[Any]]):
    default_error_messages = {"many": "Takes at most {most} values, separated by commas."}

    def __init__(self, item: ma.fields.Field[Any], **options: Any) -> None:
        super().__init__(**options)
        self.item = item

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        parts = str(value).split(",")
        if len(parts) > MOST_IN_A_LIST:
            raise self.make_error("many", most=MOST_IN_A_LIST)
        return [self.item.deserialize(part.strip(), attr, data) for part in parts]


class IdList(_CommaList):
    """One id or several, separated by commas, in a query string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Id(), **options)


class ChoiceList(_CommaList):
    """One word or several of a few, separated by commas, in a query string."""

    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        super().__init__(Choice(choices), **options)
        self.choices = choices
