"""E-mail addresses, domains, and the folded forms in which names are looked for."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.auth.domain.names import NotADomain, domain_of, domain_of_email, fold, fold_email, is_email, prefix_range

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(NAMES)
def test_folding_again_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text("aAbB zZ09äÄéÉßẞ%_\\'", max_size=20), st.integers(0, 20))
@example("Straße", 5)
def test_a_name_is_found_by_each_of_its_beginnings_in_byte_order(name: str, length: int) -> None:
    least, over = prefix_range(name[:length].upper())
    assert least.encode() <= fold(name).encode() < over.encode()


@given(NAMES, NAMES)
def test_a_name_that_starts_otherwise_is_outside_the_range(name: str, prefix: str) -> None:
    least, over = prefix_range(prefix)
    inside = least.encode() <= fold(name).encode() < over.encode()
    assert inside == fold(name).startswith(fold(prefix))


def test_domains_have_one_form() -> None:
    written = (
        "bücher.example",
        "BÜCHER.example",
        "bu\u0308cher.example",
        "xn--bcher-kva.example",
        "XN--BCHER-KVA.EXAMPLE",
    )
    assert {domain_of(text).key for text in written} == {"xn--bcher-kva.example"}
    assert {domain_of(text).spelling for text in written} == {"bücher.example"}
    assert domain_of("Example.COM").key == "example.com"


def test_what_merely_looks_like_a_domain_is_another_or_none() -> None:
    assert domain_of("ex\u0430mple.com").key != "example.com"
    for text in ("\u212aelvin.com", "\uff45xample.com", "example\u3002com", "te\u017ft.com", "xn--.com", "xn--a.com"):
        with pytest.raises(NotADomain):
            domain_of(text)


def test_what_is_no_domain() -> None:
    for text in (
        "",
        ".",
        "com",
        "a..com",
        ".com",
        "com.",
        "a b.com",
        "a_b.com",
        "-a.com",
        "1.2.3.4",
        "a" * 64 + ".com",
    ):
        with pytest.raises(NotADomain):
            domain_of(text)
    with pytest.raises(NotADomain):
        domain_of(".".join(["a" * 60] * 5))


@given(st.text(max_size=40))
def test_any_text_is_a_domain_or_is_refused(text: str) -> None:
    try:
        found = domain_of(text)
    except NotADomain:
        return
    assert domain_of(found.key).key == found.key
    assert domain_of(found.spelling).key == found.key


def test_addresses_have_exactly_one_at_sign() -> None:
    assert domain_of_email("a.b+c@example.com").key == "example.com"
    for text in ("a@b@example.com", "@example.com", "a@", "a", "a b@example.com", '"a"@example.com', "a,b@example.com"):
        assert not is_email(text), text


def test_one_mailbox_is_one_address() -> None:
    assert fold_email("X.Y@BÜCHER.example") == fold_email("x.y@xn--bcher-kva.example")
    assert fold_email("x@example.com") != fold_email("x@example.org")
    assert fold_email("No Address") == "no address"
