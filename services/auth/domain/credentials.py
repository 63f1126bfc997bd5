"""How much of its own rights a credential may pass on, and until when."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from shared.errors import AccessDenied, InvalidData


def check_scopes(wanted: AbstractSet[str], held: AbstractSet[str]) -> None:
    """Raises `AccessDenied`: nobody grants a scope that they lack."""
    if not wanted <= held:
        raise AccessDenied


def end_of_life(wanted: int | None, now: int, latest: int, own_end: int | None, invalid: str) -> int:
    """When it ends, in epoch seconds; the latest possible when none is wanted.

    `own_end` is the end of a narrowed credential that asks: what it makes does not outlive it. Raises `InvalidData`.
    """
    if wanted is None:
        return latest if own_end is None else min(latest, own_end)
    wrong = None
    if wanted <= now:
        wrong = "Must lie in the future."
    elif wanted > latest:
        wrong = "Must lie within 365 days."
    elif own_end is not None and wanted > own_end:
        wrong = "Must not be later than the end of the credential that asks for it."
    if wrong is not None:
        raise InvalidData(invalid, fields={"expires_at": wrong})
    return wanted
