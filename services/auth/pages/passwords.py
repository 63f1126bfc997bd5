"""Choosing a password with a one-time link."""

from __future__ import annotations

from services.auth.domain.passwords import LONGEST, SHORTEST
from services.auth.pages.markup import Markup, element, page


def password_page(action: str, wrong: str | None = None) -> Markup:
    """Asks for a new password, twice; `wrong` says why again."""
    return page(
        "Choose a password",
        element("p", wrong, role="alert") if wrong else "",
        element("p", f"{SHORTEST} to {LONGEST} characters of any kind: a few unrelated words, for example."),
        element(
            "form",
            _password("New password", "password", autofocus=True),
            _password("The same again", "again"),
            element("button", "Set this password", class_="main"),
            method="post",
            action=action,
        ),
    )


def password_is_set_page() -> Markup:
    """The end of the way."""
    return page("Your password is set", element("p", "Sign in with it from now on. Everything else was signed out."))


def _password(label: str, name: str, *, autofocus: bool = False) -> Markup:
    field = element(
        "input",
        id=name,
        name=name,
        type="password",
        autocomplete="new-password",
        maxlength=str(4 * LONGEST),
        required=True,
        autofocus=autofocus,
    )
    return Markup(element("label", label, for_=name) + field)
