"""Signing in and consenting; what cannot be done, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.auth.pages.markup import Markup, element, joined, page
from shared.identity.roles import TABLE


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page's form leads, and what proves that it was this browser's."""

    action: str
    csrf_token: str


def sign_in_page(place: Place, application: str, username: str = "", wrong: str | None = None) -> Markup:
    """Asks for name and password; `wrong` says why again."""
    return page(
        f"Sign in to continue to {application}",
        element("p", wrong, role="alert") if wrong else "",
        _form(
            place,
            element("label", "E-mail address", for_="username"),
            element(
                "input",
                id="username",
                name="username",
                type="email",
                value=username,
                autocomplete="username",
                maxlength="254",
                required=True,
                autofocus=not username,
            ),
            element("label", "Password", for_="password"),
            element(
                "input",
                id="password",
                name="password",
                type="password",
                autocomplete="current-password",
                maxlength="1024",
                required=True,
                autofocus=bool(username),
            ),
            element("button", "Sign in", class_="main"),
        ),
        element("p", "Your password stays with Peerly; the application does not see it."),
    )


def consent_page(place: Place, application: str, person: str, scopes: Iterable[str], back_to: str) -> Markup:
    """Asks whether the application may do all of this."""
    allowed = [element("li", TABLE[scope].description, " (", element("code", scope), ")") for scope in sorted(scopes)]
    return page(
        f"Allow {application}?",
        element(
            "p", "You are signed in as ", element("strong", person), ". ", element("strong", application), " asks to:"
        ),
        element("ul", *allowed),
        element("p", "It can go on doing so until you end it. You will be sent to ", element("strong", back_to), "."),
        _form(
            place,
            element("button", "Allow", name="decision", value="allow", class_="main"),
            element("button", "Do not allow", name="decision", value="deny"),
            element("button", "Sign in as somebody else", name="decision", value="switch"),
        ),
    )


def problem_page(problem: str, again: str | None = None) -> Markup:
    """Says what cannot be done; `again` is an address to start anew."""
    link = element("p", element("a", "Start again", href=again)) if again else ""
    return page("This cannot go on", element("p", problem, role="alert"), link)


def _form(place: Place, *inside: Markup) -> Markup:
    hidden = element("input", type="hidden", name="csrf_token", value=place.csrf_token)
    return element("form", joined((hidden, *inside)), method="post", action=place.action)
