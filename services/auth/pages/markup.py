"""HTML that is safe by default: text is escaped unless it is `Markup` already."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --paper: #fff; --line: #6b7280; --act: #1d4ed8; --on-act: #fff; --bad: #b00020;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #f3f4f6; --paper: #14171c; --line: #9ca3af; --act: #93c5fd; --on-act: #0b1220; --bad: #ff9aa2; }
}
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; margin: 0; }
main { margin: 0 auto; max-width: 28rem; overflow-wrap: anywhere; padding: 1.5rem 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
label { display: block; font-weight: 600; margin-top: 1rem; }
input, button {
  border: 2px solid var(--line); border-radius: .5rem; font: inherit; min-height: 2.75rem; padding: .5rem .75rem;
  width: 100%;
}
input { background: var(--paper); color: var(--ink); }
button { background: var(--paper); color: var(--ink); cursor: pointer; font-weight: 600; margin-top: 1rem; }
button.main { background: var(--act); border-color: var(--act); color: var(--on-act); }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; }
[role=alert] { border-left: .25rem solid var(--bad); color: var(--bad); font-weight: 600; padding-left: .75rem; }
a { color: var(--act); }
li { margin: .25rem 0; }
"""
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def element(name: str, /, *inside: str | Markup, **attributes: str | bool) -> Markup:
    """An element; attributes with `_` for `-`, a trailing `_` is left out, true stands alone, false is left away."""
    opened = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not False
    )
    if name == "input":
        return Markup(f"<{name}{opened}>")
    return Markup(f"<{name}{opened}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str | Markup]) -> Markup:
    """One after the other, texts escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def page(title: str, *inside: str | Markup) -> Markup:
    """A whole page with its title as its heading."""
    head = joined(
        (
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            Markup('<meta name="robots" content="noindex">'),
            element("title", f"{title} - Peerly"),
            Markup(f"<style>{STYLE}</style>"),
        )
    )
    body = element("main", element("h1", title), *inside)
    return Markup(f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n')


def policy(*form_actions: str) -> str:
    """The content security policy of such a page; its forms lead to these sources, through redirects too."""
    targets = " ".join(form_actions) or "'none'"
    return (
        f"default-src 'none'; style-src {STYLE_SOURCE}; form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
    )
