"""Forged tokens of identity providers: every one is refused for its one difference from a valid one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import InvalidToken
from shared.identity.external_claims import (
    Identity,
    Provider,
    TrustedKey,
    identity_of,
    is_signed,
    key_named,
    named_by,
    provider_named,
    trusted_key,
)
from tests.support.forgery import other_spellings

ISSUER, AUDIENCE = "https://idp.example/realm", "peerly"
NOW = int(time.time())
KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "PS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate(),
}
"""A key for each algorithm, whose kid is its name."""


def spki(private: Any) -> bytes:
    encoded: bytes = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def trusted(algorithm: str) -> TrustedKey:
    key = trusted_key(algorithm, base64.b64encode(spki(KEYS[algorithm])).decode())
    assert key is not None
    return key


PROVIDER = Provider(
    id=7,
    organisation_id=3,
    organisation_name="Acme",
    domains=frozenset({"acme.test", "xn--mller-kva.test", "m\u00fcller.test"}),
    issuer=ISSUER,
    audience=AUDIENCE,
    email_claim=None,
    keys={name: trusted(name) for name in KEYS},
    fetched_at=1.0,
    version=1,
)


def claims(**changes: Any) -> dict[str, Any]:
    known = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "1234",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 600,
        "email": "grace@acme.test",
        "email_verified": True,
        "given_name": "Grace",
    }
    return {**known, **changes}


def without(name: str) -> dict[str, Any]:
    return {known: value for known, value in claims().items() if known != name}


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: Any = None, header: Any = None, algorithm: str = "ES256", key: Any = None) -> str:
    """A token whose signature is right, whatever it is over; a header is taken as it is."""
    head = {"alg": algorithm, "typ": "JWT", "kid": algorithm} if header is None else header
    signing_input = f"{encoded(head)}.{encoded(claims() if payload is None else payload)}"
    return f"{signing_input}.{encoded(signature(signing_input.encode(), algorithm, key or KEYS[algorithm]))}"


def signature(message: bytes, algorithm: str, key: Any) -> bytes:
    return jwt.get_algorithm_by_name(algorithm).sign(message, key)


def head(**changes: Any) -> dict[str, Any]:
    return {"alg": "ES256", "typ": "JWT", "kid": "ES256", **changes}


def accepted(token: str, provider: Provider = PROVIDER, now: int = NOW) -> Identity:
    """As a service does it, for one provider."""
    named = named_by(token)
    if (named.issuer, named.audience) != (provider.issuer, provider.audience):
        raise InvalidToken
    key = key_named(provider, named)
    if key is None or named.algorithm != key.algorithm or not is_signed(token, key):
        raise InvalidToken
    return identity_of(token, provider, datetime.fromtimestamp(now, UTC))


@dataclass(frozen=True, slots=True)
class Valid:
    """What is accepted, to show that the others are refused for their difference."""

    payload: dict[str, Any] = field(default_factory=claims)
    header: Mapping[str, Any] | None = None
    algorithm: str = "ES256"


VALID: dict[str, Valid] = {
    **{f"signed with {name}": Valid(algorithm=name) for name in KEYS},
    "one audience in a list": Valid(claims(aud=[AUDIENCE])),
    "without nbf": Valid(without("nbf")),
    "verified as a text": Valid(claims(email_verified="true")),
    "a domain in capitals": Valid(claims(email="Grace@ACME.Test")),
    "a domain in other letters": Valid(claims(email="grace@m\u00fcller.test")),
    "a domain as DNS has it": Valid(claims(email="grace@XN--Mller-kva.test")),
    "an access token's type": Valid(header=head(typ="at+jwt")),
    "a type in full": Valid(header=head(typ="application/at+jwt")),
    "no type": Valid(header={"alg": "ES256", "kid": "ES256"}),
    "a thumbprint beside the kid": Valid(header=head(x5t="AAAA")),
    "more claims": Valid(claims(azp="x", nonce="n", roles=["admin"], amr=["pwd"])),
    "a day long": Valid(claims(exp=NOW + 86_400)),
    "29 s late": Valid(claims(exp=NOW - 29)),
    "30 s early": Valid(claims(nbf=NOW + 30, iat=NOW + 30)),
}


@pytest.mark.parametrize("case", VALID.values(), ids=VALID.keys())
def test_valid_tokens_are_accepted(case: Valid) -> None:
    identity = accepted(signed(case.payload, case.header, case.algorithm))
    assert (identity.provider_id, identity.subject, identity.email) == (7, "1234", case.payload["email"])


def wrong_algorithms() -> Iterator[tuple[str, str]]:
    for spelling in ("none", "None", "NONE", "nOnE", "none ", "", None, 0, ["none"]):
        yield f"none as {spelling!r}", f"{encoded(head(alg=spelling))}.{encoded(claims())}."
        yield f"none as {spelling!r} with a signature", signed(header=head(alg=spelling))
    for kid, private in KEYS.items():
        public = private.public_key()
        forms = {
            "DER": spki(private),
            "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "base64": base64.b64encode(spki(private)),
            "nothing": b"",
        }
        for form, secret in forms.items():
            for name, digest in {"HS256": hashlib.sha256, "HS512": hashlib.sha512}.items():
                text = f"{encoded({'alg': name, 'kid': kid})}.{encoded(claims())}"
                mac = hmac.new(secret, text.encode(), digest).digest()
                yield f"{name} with the key {kid} as {form}", f"{text}.{encoded(mac)}"
                text = f"{encoded({'alg': kid, 'kid': kid})}.{encoded(claims())}"
                mac = hmac.new(secret, text.encode(), digest).digest()
                yield f"{name} named {kid} with its key as {form}", f"{text}.{encoded(mac)}"
    for kid in KEYS:
        for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "ES256K"):
            if algorithm != kid:
                yield f"the key {kid} for {algorithm}", signed(header={"alg": algorithm, "kid": kid}, algorithm=kid)
    for kid, other in (("RS256", "PS256"), ("PS256", "RS256")):
        forged = signed(header={"alg": other, "kid": kid}, algorithm=other, key=KEYS[kid])
        yield f"{other} by the key that is for {kid}", forged
        yield f"{kid}'s key under the kid {other}", signed(algorithm=other, key=KEYS[kid])
    yield "another key under the kid", signed(key=ec.generate_private_key(ec.SECP256R1()))
    yield (
        "another curve under the kid",
        signed(header=head(alg="ES384"), algorithm="ES384", key=ec.generate_private_key(ec.SECP384R1())),
    )


def broken_signatures() -> Iterator[tuple[str, str]]:
    token = signed()
    text, _, _ = token.rpartition(".")
    raw = base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
    for name, forged in {
        "no signature": b"", "half a signature": raw[:32], "zeros": bytes(64), "a byte more": raw + b"\0",
        "a bit changed": bytes([raw[0] ^ 1]) + raw[1:], "backwards": raw[::-1],
        "DER": b"\x30\x06\x02\x01\x00\x02\x01\x00",
    }.items():  # fmt: skip
        yield name, f"{text}.{encoded(forged)}"
    header, payload, last = token.split(".")
    yield "another payload under the signature", f"{header}.{encoded(claims(sub='1'))}.{last}"
    yield "another header over the signature", f"{encoded(head(typ='at+jwt'))}.{payload}.{last}"
    yield "two parts", f"{header}.{payload}"
    yield "four parts", f"{token}.{last}"
    yield "five parts", f"{token}.{last}.{last}"
    yield from other_spellings(token)
    yield "too long", signed(claims(padding="x" * 9_000))


def wrong_headers() -> Iterator[tuple[str, str]]:
    key_ids: list[Any] = [
        "other", "", "../../ES256", "/dev/null", "' OR 1=1 --", "https://evil.example/jwks", "es256", "ES256 ",
        "ES256\0", "ES256\n", ["ES256"], {"kid": "ES256"}, 7, None, True, "x" * 300,
    ]  # fmt: skip
    for kid in key_ids:
        yield f"kid {kid!r:.30}", signed(header=head(kid=kid))
    yield "no kid where there are several keys", signed(header={"alg": "ES256"})
    for name, value in {
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert", "jwk": {"kty": "EC"}, "x5c": ["MIIB"],
        "crit": ["exp"], "b64": False, "zip": "DEF", "enc": "A256GCM", "cty": "JWT", "p2c": 1, "nonce": "n",
        "iss": ISSUER,
    }.items():  # fmt: skip
        yield f"a header with {name}", signed(header=head(**{name: value}))
    for kind in ("logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", "", None, 7, ["JWT"], "JWT ", "pat+jwt"):
        yield f"typ {kind!r}", signed(header=head(typ=kind))
    text = json.dumps(head())
    yield "two kids", signed(header=(text[:-1] + ', "kid": "ES256"}').encode())
    yield "two algorithms", signed(header=(text[:-1] + ', "alg": "ES256"}').encode())
    for name, raw in {"a list": b"[]", "text": b'"x"', "null": b"null", "no JSON": b"{", "deep": b"[" * 3000}.items():
        yield f"header: {name}", signed(header=raw)


def wrong_claims() -> Iterator[tuple[str, str]]:
    for name in ("iss", "aud", "sub", "exp", "iat", "email", "email_verified"):
        yield f"without {name}", signed(without(name))
    values: dict[str, list[Any]] = {
        "iss": [
            ISSUER + "/", ISSUER.upper(), "https://idp.example", ISSUER + ".evil.example", [ISSUER], None, 7, "",
            "https://idp.example/realm2", " " + ISSUER, ISSUER + "\0", {"iss": ISSUER},
        ],
        "aud": [
            "other", [], [AUDIENCE, "other"], ["other"], [AUDIENCE, AUDIENCE], [[AUDIENCE]], "", None, 7,
            AUDIENCE + "x",
            AUDIENCE[:-1], AUDIENCE.upper(), {AUDIENCE: 1}, f"{AUDIENCE} other", True,
        ],
        "sub": [7, None, "", True, ["1234"], {"sub": "1234"}, "x" * 256, "a\0b", "\ud800", "a\nb"],
        "exp": [
            NOW - 31, NOW - 30, 0, -1, str(NOW + 60), NOW + 60.5, float(NOW + 60), True, None, [NOW], 10**400, 2**53,
            2**53 - 1, NOW * 1_000, NOW * 1_000_000, NOW + 86_401, NOW + 366 * 86_400,
        ],
        "iat": [NOW + 31, str(NOW), float(NOW), True, None, [NOW], -1],
        "nbf": [NOW + 31, str(NOW), float(NOW), True, None, [NOW], -1],
        "email_verified": [False, None, 1, "True", "yes", "false", [], ["true"], {"true": True}],
        "email": [
            None, 7, True, ["grace@acme.test"], {"value": "grace@acme.test"}, "", "grace", "@acme.test", "grace@",
            "grace@evil-acme.test", "grace@acme.test.evil.example", "grace@sub.acme.test", "grace@acme.tes",
            "grace@acme.test.", "grace@\u0430cme.test", "grace@\uff41cme.test", "grace@acme\u3002test",
            "grace@acme.te\u017ft", "grace@M\u00dcLLER.test", "grace@mu\u0308ller.test", "a@b@acme.test",
            '"a@b"@acme.test', "grace hopper@acme.test", "grace@acme.test\n", "grace@acme.test\0", "\ud800@acme.test",
            "grace@acme.test,x@evil.example", "x" * 65 + "@acme.test", "<grace@acme.test>", "mailto:grace@acme.test",
        ],
        "events": [{"http://schemas.openid.net/event/backchannel-logout": {}}],
        "cnf": [{"jkt": "AAAA"}],
    }  # fmt: skip
    for name, several in values.items():
        for value in several:
            yield f"{name}: {value!r:.60}", signed(claims(**{name: value}))


def unwritable() -> Iterator[tuple[str, str]]:
    text = json.dumps(claims())
    for name in ("iss", "aud", "sub", "exp", "email", "email_verified"):
        yield f"{name} twice", signed((text[:-1] + f', "{name}": {json.dumps(claims()[name])}}}').encode())
    for value in ("NaN", "Infinity", "1e400", "-1e400"):
        yield f"exp: {value}", signed(text.replace(f'"exp": {NOW + 600}', f'"exp": {value}').encode())
    for name, raw in {
        "a list": b"[]", "text": b'"x"', "null": b"null", "nothing": b"", "half": text[:-1].encode(),
        "more behind": (text + "{}").encode(), "no UTF-8": b'{"sub": "\xff"}', "UTF-16": text.encode("utf-16"),
        "deep": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    }.items():  # fmt: skip
        yield f"payload: {name}", signed(raw)


TABLES: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "algorithms": wrong_algorithms,
    "signatures": broken_signatures,
    "headers": wrong_headers,
    "claims": wrong_claims,
    "payloads": unwritable,
}
FORGED = {f"{table}: {name}": token for table, make in TABLES.items() for name, token in make()}


def test_the_table_is_large() -> None:
    assert len(FORGED) >= 250


@pytest.mark.parametrize("name", FORGED)
def test_no_forged_token_is_accepted(name: str) -> None:
    with pytest.raises(InvalidToken):
        accepted(FORGED[name])


@pytest.mark.parametrize("late", range(28, 33))
def test_expiry_has_thirty_seconds_of_leeway(late: int) -> None:
    token = signed(claims(exp=NOW, iat=NOW - 60, nbf=NOW - 60))
    if late < 30:
        assert accepted(token, now=NOW + late).expires_at == NOW
    else:
        with pytest.raises(InvalidToken):
            accepted(token, now=NOW + late)


def test_one_token_has_one_id_however_its_signature_is_written() -> None:
    """ECDSA signatures have twins: signing out of one token must not leave the other."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    token = signed()
    text, _, last = token.rpartition(".")
    raw = base64.urlsafe_b64decode(last + "==")
    twin = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    assert accepted(f"{text}.{encoded(twin)}").jti == accepted(token).jti
    assert accepted(signed(claims(jti="other"))).jti != accepted(token).jti


WEAK: dict[str, tuple[str, Any]] = {
    "a short RSA key": ("RS256", rsa.generate_private_key(65537, 1024)),  # noqa: S505 - it is to be refused
    "a curve of another size": ("ES256", ec.generate_private_key(ec.SECP384R1())),
    "another curve of the same size": ("ES256", ec.generate_private_key(ec.SECP256K1())),
    "a curve for RSA": ("RS256", KEYS["ES256"]),
    "RSA for a curve": ("ES256", KEYS["RS256"]),
    "Edwards for a curve": ("ES256", KEYS["EdDSA"]),
    "an algorithm that is none": ("none", KEYS["ES256"]),
    "a shared secret's algorithm": ("HS256", KEYS["RS256"]),
    "a longer hash": ("RS512", KEYS["RS256"]),
}


@pytest.mark.parametrize(("algorithm", "private"), WEAK.values(), ids=WEAK.keys())
def test_only_strong_keys_of_the_algorithms_own_kind_are_trusted(algorithm: str, private: Any) -> None:
    assert trusted_key(algorithm, base64.b64encode(spki(private)).decode()) is None


@pytest.mark.parametrize("text", ["", "AAAA", "no base64", "\u00e9", base64.b64encode(b"\x30\x00").decode()])
def test_what_is_no_key_is_not_trusted(text: str) -> None:
    assert trusted_key("ES256", text) is None


def test_an_address_in_a_claim_of_the_admins_choice() -> None:
    provider = replace(PROVIDER, email_claim="upn")
    payload = {**without("email_verified"), "email": "other@elsewhere.test", "upn": "grace@acme.test"}
    assert accepted(signed(payload), provider).email == "grace@acme.test"
    with pytest.raises(InvalidToken):
        accepted(signed(), provider)


def test_the_usual_claim_needs_its_second_word_also_when_it_was_chosen() -> None:
    provider = replace(PROVIDER, email_claim="email")
    assert accepted(signed(), provider).email == "grace@acme.test"
    with pytest.raises(InvalidToken):
        accepted(signed(without("email_verified")), provider)


def test_names_that_are_no_plain_text_are_none() -> None:
    odd = claims(given_name=["x"], family_name="a\0b\u202e", name=7, picture="x" * 3_000)
    assert accepted(signed(odd)).names == {"name": "", "given_name": "", "family_name": "ab", "picture": ""}


def test_of_several_that_trust_an_issuer_the_one_with_the_domain_is_meant() -> None:
    globex = replace(PROVIDER, id=8, organisation_id=4, domains=frozenset({"globex.test"}), email_claim="upn")
    both = [PROVIDER, globex]
    assert provider_named(signed(), both) is PROVIDER
    assert provider_named(signed({**without("email"), "upn": "x@Globex.Test"}), both) is globex
    assert provider_named(signed(claims(email="x@elsewhere.test")), [PROVIDER]) is PROVIDER
    nobodys: list[dict[str, Any]] = [
        claims(email="x@elsewhere.test"), without("email"), claims(email=7), claims(email="acme.test@"),
        claims(email="x@globex.test"), claims(upn="x@globex.test"),
    ]  # fmt: skip
    for payload in nobodys:
        with pytest.raises(InvalidToken):
            provider_named(signed(payload), both)
