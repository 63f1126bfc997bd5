"""What OAuth leaves to decide: addresses, proofs, scopes; and that markup is escaped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.oauth import (
    InvalidScope,
    flaw_of_redirect_uri,
    is_challenge,
    is_state,
    narrowed,
    origin_of,
    proves,
    scopes_of,
    with_parameters,
)
from services.auth.forms import Forms
from services.auth.pages.markup import element, page
from services.auth.routes.oauth_failures import problem
from shared.errors import InvalidData

GOOD = [
    "https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com:8443/a/b?c=d&e=%2F",
    "https://[2001:db8::1]/back",
    "http://localhost:3000/back",
    "http://127.0.0.1/back",
    "http://[::1]:8123/back",
    "https://xn--pp-fka.example.com/",
    "https://app.example.com/a;b,c'd?e=f;g",
    "https://app.example.com/a..b/.well-known/back",
]
BAD = {
    "http elsewhere": "http://app.example.com/back",
    "a name like localhost": "http://localhost.evil.example/",
    "an address like loopback": "http://127.0.0.1.evil.example/",
    "another loopback": "http://127.0.0.2/",
    "no scheme": "//app.example.com/back",
    "own scheme": "com.example:/back",
    "script": "javascript:alert(1)",
    "data": "data:text/html,x",
    "no host": "https:///back",
    "userinfo": "https://a@app.example.com/",
    "empty userinfo": "https://@app.example.com/",
    "fragment": "https://app.example.com/#a",
    "empty fragment": "https://app.example.com/#",
    "wildcard": "https://*.example.com/",
    "dots": "https://app.example.com/a/..",
    "encoded dots": "https://app.example.com/%2e%2E/a",
    "one dot": "https://app.example.com/./a",
    "backslash": "https://app.example.com\\evil",
    "space": "https://app.example.com/ a",
    "line break": "https://app.example.com/\n",
    "homograph": "https://\u0430pp.example.com/",
    "port": "https://app.example.com:65536/",
    "no number as port": "https://app.example.com:x/",
    "broken address": "https://[::1/",
    "a semicolon in the host": "https://app.example.com;script-src/",
    "a comma in the host": "https://app.example.com,evil.example/",
    "a quote in the host": "https://app.example.com'none'/",
    "an encoded semicolon in the host": "https://app.example.com%3Bscript-src/",
    "a semicolon after an address": "https://[::1];script-src/",
    "a zone": "https://[fe80::1%25eth0]/",
    "our parameter": "https://app.example.com/?state=1",
}


@pytest.mark.parametrize("uri", GOOD)
def test_good_addresses_have_no_flaw(uri: str) -> None:
    assert flaw_of_redirect_uri(uri) is None


@pytest.mark.parametrize("name", BAD)
def test_bad_addresses_have_one(name: str) -> None:
    assert flaw_of_redirect_uri(BAD[name])


@given(st.text())
def test_any_text_is_judged(uri: str) -> None:
    flaw = flaw_of_redirect_uri(uri)
    assert flaw is not None or uri.isascii()


def test_the_example_of_rfc_7636_proves_itself() -> None:
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert is_challenge(challenge)
    assert proves(verifier, challenge)
    for other in (verifier[:-1], verifier + "=", challenge, "", "x" * 129):
        assert not proves(other, challenge)


def test_scopes_are_narrowed_and_never_widened() -> None:
    held = frozenset({"view:user", "view:quota"})
    assert narrowed(None, held) == held
    assert narrowed("view:user view:user", held) == {"view:user"}
    for asked in ("view:user manage:user", "", " ", "view:user  view:quota", 'view:user"', "view:\u00fcser"):
        with pytest.raises(InvalidScope):
            narrowed(asked, held)


@given(st.text())
def test_any_text_is_a_scope_parameter_or_none(text: str) -> None:
    found = scopes_of(text)
    assert found is None or " ".join(text.split(" ")) == text


def test_states_are_printable_ascii() -> None:
    assert is_state("a b~")
    for state in ("", "a\n", "\x7f", "\u00e4", "x" * 1001):
        assert not is_state(state)


def test_parameters_are_added_to_what_an_address_has() -> None:
    assert with_parameters("https://a.test/b", {"c": "d e&f"}) == "https://a.test/b?c=d+e%26f"
    assert with_parameters("https://a.test/b?x=%2F", {"c": "d"}) == "https://a.test/b?x=%2F&c=d"


def test_policies_name_the_origin_and_for_ipv6_the_scheme() -> None:
    assert origin_of("https://a.test:8443/b?c") == "https://a.test:8443"
    assert origin_of("http://[::1]:80/b") == "http:"


@given(st.text(), st.text())
def test_text_never_becomes_markup(text: str, value: str) -> None:
    made = page("Title", element("p", text, title=value))
    inside = made.split("<main>")[1]
    assert inside.count("<") == len(["<h1>", "</h1>", "<p>", "</p>", "</main>", "</body>", "</html>"])


def test_forms_fit_their_cookie_request_and_installation_alone() -> None:
    forms, other = Forms("a secret that is long enough"), Forms("another secret, long enough")
    request = {"state": "s", "scope": "view:user"}
    token = forms.token("cookie", request)
    assert forms.fits("cookie", dict(reversed(request.items())), token)
    for cookie, asked, given_token in (
        ("other", request, token),
        (None, request, token),
        ("cookie", {**request, "state": "t"}, token),
        ("cookie", {"state": "s"}, token),
        ("cookie", {**request, "prompt": ""}, token),
        ("cookie", request, None),
        ("cookie", request, ""),
        ("cookie", request, "\u00e4"),
    ):
        assert not forms.fits(cookie, asked, given_token)
    assert not other.fits("cookie", request, token)


@given(st.text())
def test_descriptions_have_the_letters_that_rfc_6749_allows(text: str) -> None:
    told = problem(InvalidData(text or "x", fields={"a": text})).data["error_description"]
    assert all(letter == " " or "!" <= letter <= "~" for letter in told)
    assert not {'"', "\\"} & set(told)
