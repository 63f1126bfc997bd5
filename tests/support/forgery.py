"""Tokens that must not be accepted, by what is wrong with them: algorithms, headers, claims, kinds.

Whatever is not about the signature itself is signed with a key that is trusted: nothing but the check in question
stands between such a token and the service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.identity.claims import ACCESS_TOKEN, API_KEY, NAMESPACE, PERSONAL_TOKEN, SESSION, TYPES, Expected

Claims = dict[str, Any]
Change = Callable[[Claims], object]
ORDER_OF_THE_CURVE = 2**252 + 27742317777372353535851937790883648493
DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


@dataclass(frozen=True, slots=True)
class Forger:
    """Who has the very key that a service trusts; `claims` are a valid session's, made when they are needed.

    Claims in the future are `slack` seconds further away than they need to be, where the clock does not stand still.
    """

    private: Ed25519PrivateKey
    kid: str
    expected: Expected
    claims: Callable[[], Claims]
    slack: int = 0

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "EdDSA", "typ": "JWT", "kid": self.kid}

    def sign(self, payload: Any = None, header: Any = None, key: Ed25519PrivateKey | None = None) -> str:
        """A correctly signed token over a payload and a header that no library would write."""
        signing_input = self.signing_input(payload, header)
        return f"{signing_input}.{encoded((key or self.private).sign(signing_input.encode()))}"

    def signing_input(self, payload: Any = None, header: Any = None) -> str:
        """Header and payload, by default the valid ones; bytes are taken as they are."""
        head = self.header if header is None else header
        return f"{encoded(head)}.{encoded(self.claims() if payload is None else payload)}"

    def valid(self, kind: str = SESSION, scope: str = "") -> str:
        """What has to be accepted: it shows that the forged ones are refused for their one difference."""
        return self.sign(self.claims_of(kind, scope), {**self.header, "typ": TYPES[kind]})

    def claims_of(self, kind: str, scope: str = "") -> Claims:
        """The claims of a kind of credential."""
        known = {**self.claims(), "iss": self.expected.issuer_of(kind)}
        return known if kind == SESSION else {**known, "scope": scope, "client_id": "forged:1"}


def encoded(value: Any) -> str:
    """JSON, or bytes as they are, in base64url without padding."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


NONE_SPELLINGS = [
    "none", "None", "NONE", "nOnE", "NoNe", "noNe", "nonE", "NOne", " none", "none ", "none\0", "n\u043ene", "",
    "null", None, 0,
]  # fmt: skip


def wrong_algorithms(forger: Forger) -> Iterator[tuple[str, str]]:
    """Signatures that are none, or of somebody else, or of another algorithm (S8)."""
    for spelling, signature in product(NONE_SPELLINGS, ("", "AAAA")):
        unsigned = forger.signing_input(header={**forger.header, "alg": spelling})
        yield f"none as {spelling!r} with {signature!r}", f"{unsigned}.{signature}"
    yield from _shared_secrets(forger)
    yield from _other_keys(forger)
    yield from _broken_signatures(forger)
    for name in ("EDDSA", "eddsa", "Ed25519", "Ed448", ["EdDSA"], {"EdDSA": 1}, True):
        yield f"our signature named {name!r}", forger.sign(header={**forger.header, "alg": name})
    without = {name: value for name, value in forger.header.items() if name != "alg"}
    yield "our signature without a name", forger.sign(header=without)


def _shared_secrets(forger: Forger) -> Iterator[tuple[str, str]]:
    """The public key, which anybody may have, as the secret of an HMAC."""
    public = forger.private.public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encoded(raw), "kid": forger.kid}
    forms = {
        "raw": raw,
        "x": encoded(raw).encode(),
        "PEM": pem,
        "PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "PEM with a byte order mark": b"\xef\xbb\xbf" + pem,
        "PEM without its last line break": pem.rstrip(b"\n"),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "OpenSSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "JWK": json.dumps(jwk).encode(),
        "empty": b"",
    }
    for (name, digest), (form, secret) in product(DIGESTS.items(), forms.items()):
        signing_input = forger.signing_input(header={**forger.header, "alg": name})
        signature = hmac.new(secret, signing_input.encode(), digest).digest()
        yield f"{name} with the public key as {form}", f"{signing_input}.{encoded(signature)}"


def _other_keys(forger: Forger) -> Iterator[tuple[str, str]]:
    yield "another Ed25519 key under our kid", forger.sign(key=Ed25519PrivateKey.generate())
    curve, long = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    keys: dict[str, Any] = {"ES256": curve, "RS256": long, "RS512": long, "PS256": long}
    keys["EdDSA"] = ed448.Ed448PrivateKey.generate()
    for name, key in keys.items():
        header = {"kid": forger.kid}
        yield f"{name} with another key", jwt.encode(forger.claims(), key, algorithm=name, headers=header)
    for name, length in (("ES256", 64), ("ES384", 96), ("RS256", 256), ("EdDSA", 64), ("EdDSA", 114)):
        header = {**forger.header, "alg": name}
        yield f"{name} with {length} zeros", f"{forger.signing_input(header=header)}.{encoded(bytes(length))}"


def _broken_signatures(forger: Forger) -> Iterator[tuple[str, str]]:
    token = forger.sign()
    signing_input, _, text = token.rpartition(".")
    signature = base64.urlsafe_b64decode(text + "==")
    scalar = int.from_bytes(signature[32:], "little") + ORDER_OF_THE_CURVE
    changed = {
        "no signature": b"",
        "half a signature": signature[:32],
        "a signature less a byte": signature[:-1],
        "a signature and a byte": signature + b"\0",
        "a signature twice": signature * 2,
        "a signature backwards": signature[::-1],
        "a signature with one bit changed": bytes([signature[0] ^ 1]) + signature[1:],
        "a signature with the curve's order added": signature[:32] + scalar.to_bytes(32, "little"),
        "another token's signature": base64.urlsafe_b64decode(forger.sign({"sub": "1"}).rpartition(".")[2] + "=="),
    }
    for name, forged in changed.items():
        yield name, f"{signing_input}.{encoded(forged)}"
    header, payload, text = token.split(".")
    other = encoded({**forger.claims(), "sub": "1"})
    yield "another payload under the signature", f"{header}.{other}.{text}"
    yield "another header over the signature", f"{encoded({**forger.header, 'kid': 'x'})}.{payload}.{text}"
    yield "only two parts", f"{header}.{payload}"
    yield "a fourth part", f"{token}.{text}"
    yield "five parts, as if encrypted", f"{token}.{text}.{text}"
    yield "letters that are no base64 at the end", f"{token}~"
    yield from other_spellings(token)


def other_spellings(token: str) -> Iterator[tuple[str, str]]:
    """The same signature, written as its signer does not write it: a token has one spelling."""
    header, payload, text = token.split(".")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for padding in ("=", "==", "===", "===="):
        yield f"a signature with {padding}", f"{token}{padding}"
        yield f"a payload with {padding}", f"{header}.{payload}{padding}.{text}"
    yield "a signature with another last letter", token[:-1] + digits[digits.index(token[-1]) + 1]
    yield "a signature with a letter in between that is none", f"{header}.{payload}.{text[:9]}*{text[9:]}"


def wrong_headers(forger: Forger, listener: str) -> Iterator[tuple[str, str]]:
    """Headers that name other keys, other rules or other places; `listener` is the address of who counts (S9)."""
    for name, kid in _key_ids(forger.kid, listener).items():
        yield f"kid: {name}", forger.sign(header={**forger.header, "kid": kid})
    public = encoded(forger.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": public, "kid": forger.kid}
    additions: dict[str, Mapping[str, Any]] = {
        "jku": {"jku": f"{listener}/jwks.json"},
        "x5u": {"x5u": f"{listener}/certificate.pem"},
        "url": {"url": f"{listener}/keys"},
        "iss": {"iss": listener},
        "jwk": {"jwk": jwk},
        "x5c": {"x5c": ["MIIB"]},
        "x5t": {"x5t": "AAAA"},
        "x5t#S256": {"x5t#S256": "AAAA"},
        "crit with exp": {"crit": ["exp"]},
        "crit with nothing": {"crit": []},
        "crit with b64": {"crit": ["b64"], "b64": False},
        "crit with what nobody knows": {"crit": ["peerly"], "peerly": 1},
        "b64 false": {"b64": False},
        "b64 true": {"b64": True},
        "cty": {"cty": "JWT"},
        "enc": {"enc": "A256GCM"},
        "zip": {"zip": "DEF"},
        "p2c": {"p2c": 2**31, "p2s": "AAAA"},
        "epk": {"epk": jwk},
        "nonce": {"nonce": "x"},
    }
    for name, addition in additions.items():
        yield name, forger.sign(header={**forger.header, **addition})
    stranger = Ed25519PrivateKey.generate()
    theirs = encoded(stranger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    yield "a key that it brings along", forger.sign(header={**forger.header, "jwk": {**jwk, "x": theirs}}, key=stranger)
    fetched = {**forger.header, "jku": f"{listener}/jwks.json", "kid": "theirs"}
    yield "a key that is to be fetched", forger.sign(header=fetched, key=stranger)
    yield "no kid", forger.sign(header={"alg": "EdDSA", "typ": "JWT"})
    text = json.dumps(forger.header)
    yield "two kids", forger.sign(header=(text[:-1] + ', "kid": "other"}').encode())
    yield "two algorithms", forger.sign(header=(text[:-1] + ', "alg": "none"}').encode())
    bodies = {"a list": b"[]", "text": b'"JWT"', "null": b"null", "no JSON": b"{", "deep": b"[" * 3000}
    for name, raw in bodies.items():
        yield f"header: {name}", forger.sign(header=raw)


def _key_ids(kid: str, listener: str) -> dict[str, Any]:
    return {
        "unknown": "other",
        "empty": "",
        "a path": "../../etc/passwd",
        "a Windows path": "..\\..\\secrets.json",
        "a device": "/dev/null",
        "a file": "file:///dev/null",
        "SQL": "' OR 1=1 --",
        "a UNION": "x' UNION SELECT 'AAAA",
        "a command": "|/usr/bin/id",
        "a template": "{{7*7}}",
        "an address": listener,
        "an address with ours": f"{listener}/#{kid}",
        "another issuer's": "google-2026-1",
        "10 kB": "k" * 10_000,
        "ours and more": f"{kid}X",
        "ours and a space": f"{kid} ",
        "ours and a line break": f"{kid}\n",
        "ours and an end of text": f"{kid}\0",
        "ours twice": kid * 2,
        "ours in a list": [kid],
        "ours in an object": {"kid": kid},
        "a number": 1,
        "null": None,
        "true": True,
    }


def wrong_claims(forger: Forger) -> Iterator[tuple[str, str]]:
    """Claims that are late, early, of another form, of somebody else, missing or too many (S10)."""
    changes = {**_wrong_times(forger), **_wrong_names(forger.expected), **_wrong_people()}
    for name in forger.claims():
        changes[f"without {name}"] = _left_out(name)
        changes[f"{name} null"] = _set(name, None)
    for name, change in changes.items():
        claims = forger.claims()
        change(claims)
        yield name, forger.sign(claims)
    yield from _unwritable(forger)


def _set(claim: str, value: Any) -> Change:
    return lambda claims: claims.update({claim: value})


def _set_within(name: str, value: Any) -> Change:
    return lambda claims: claims[NAMESPACE].update({name: value})


def _left_out(claim: str) -> Change:
    return lambda claims: claims.pop(claim)


def _left_out_within(name: str) -> Change:
    return lambda claims: claims[NAMESPACE].pop(name)


def _wrong_times(forger: Forger) -> dict[str, Change]:
    now = forger.claims()["iat"]
    late = 31 + forger.slack
    made = {
        "expired at the end of the leeway": _set("exp", now - 30),
        "expired a second after the leeway": _set("exp", now - 31),
        "expired long ago": _set("exp", 1),
        "not before a second after the leeway": _set("nbf", now + late),
        "issued a second after the leeway": _set("iat", now + late),
        "not before next century": _set("nbf", now + 3_000_000_000),
        "issued next century": _set("iat", now + 3_000_000_000),
    }
    forms: dict[str, Any] = {
        "text": str(now + 60),
        "a fraction": now + 60.5,
        "a whole fraction": float(now + 60),
        "negative": -1,
        "true": True,
        "400 digits": 10**400,
        "beyond 2^53": 2**53,
        "a list": [now],
        "an object": {},
    }
    for claim, (form, value) in product(("exp", "nbf", "iat"), forms.items()):
        made[f"{claim}: {form}"] = _set(claim, value)
    return made


def _wrong_names(expected: Expected) -> dict[str, Change]:
    issuer, audience = expected.issuer, expected.audience
    values: dict[str, list[Any]] = {
        "iss": [
            "evil.com", [issuer], f"{issuer}.evil.com", f"evil.{issuer}", issuer.upper(), "", f"{issuer}/",
            f"https://{issuer}", True, {issuer: 1},
        ],
        "aud": [
            "other", [audience], ["other", audience], audience[:-1], f"{audience}x", "", [], audience.upper(),
            {audience: 1}, True, f"{audience} other",
        ],
    }  # fmt: skip
    changes = {f"{claim}: {value!r}": _set(claim, value) for claim, several in values.items() for value in several}
    return {**changes, "iss: that of OAuth": _set("iss", expected.oauth_issuer)}


def _wrong_people() -> dict[str, Change]:
    values: dict[str, list[Any]] = {
        "sub": [
            7, 7.0, True, "", "0", "-7", "+7", "07", " 7", "7.0", "7e0", "0x7", "\u0667", str(2**53), ["7"], {"id": 7},
        ],
        "jti": ["random", "", ".x", "x.y", "-1.x", "\u0661.x", 1.5, 7, ["1.x"], "1.", "1." + "x" * 300],
        NAMESPACE: [[1], "x", {}, 7],
    }  # fmt: skip
    within: dict[str, list[Any]] = {
        "roleId": [9, 0, -1, True, "2", 2.0, [2], None, 1],
        "orgId": [0, -1, True, "1", 1.5, [1], None, 2**53],
        "admin": [True],
    }
    besides = ("scope", "client_id", "roles", "azp", "act", f"{NAMESPACE}/")
    return {
        **{f"{claim}: {value!r:.40}": _set(claim, value) for claim, several in values.items() for value in several},
        **{f"{name}: {value!r}": _set_within(name, value) for name, several in within.items() for value in several},
        **{f"without {name}": _left_out_within(name) for name in ("roleId", "orgId", "orgName")},
        **{f"{name} besides": _set(name, "everything") for name in besides},
    }


def _unwritable(forger: Forger) -> Iterator[tuple[str, str]]:
    """Payloads that are no JSON object of one meaning."""
    text = json.dumps(forger.claims())
    expiry = f'"exp": {forger.claims()["exp"]}'
    for claim in ("sub", "exp", "aud", NAMESPACE):
        yield f"{claim} twice", forger.sign((text[:-1] + f', "{claim}": "8"}}').encode())
    for name, value in (("NaN", "NaN"), ("Infinity", "Infinity"), ("1e400", "1e400"), ("-1e400", "-1e400")):
        yield f"exp: {name}", forger.sign(text.replace(expiry, f'"exp": {value}').encode())
    bodies = {
        "a list": b"[]", "text": b'"x"', "null": b"null", "a number": b"7", "no JSON": b"hello", "nothing": b"",
        "half": text[:-1].encode(), "more behind": (text + "{}").encode(), "no UTF-8": b'{"sub": "\xff"}',
        "deep": b'{"a":' * 3000 + b"1" + b"}" * 3000, "UTF-16": text.encode("utf-16"),
    }  # fmt: skip
    for name, raw in bodies.items():
        yield f"payload: {name}", forger.sign(raw)


OTHER_TYPES: list[Any] = [
    "refresh+jwt", "id+jwt", "reset+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "jwt", "Jwt", "JWT ", "at+JWT",
    "at", "application/at+jwt", "application/jwt", "PAT+JWT", "JWE", "", None, 1, ["JWT"],
]  # fmt: skip


def wrong_kinds(forger: Forger) -> Iterator[tuple[str, str]]:
    """Every kind of credential under the name of every other kind (S11).

    Personal tokens and API keys alone have claims of one form; `client_id` tells them apart.
    """
    alike = {PERSONAL_TOKEN, API_KEY}
    for kind, other in product(TYPES, TYPES):
        if kind != other and {kind, other} != alike:
            named = {**forger.header, "typ": TYPES[other]}
            yield f"{kind} as {other}", forger.sign(forger.claims_of(kind), named)
    for kind, other in product(TYPES, OTHER_TYPES):
        yield f"{kind} as {other!r}", forger.sign(forger.claims_of(kind), {**forger.header, "typ": other})
    for kind in TYPES:
        yield f"{kind} without a type", forger.sign(forger.claims_of(kind), {"alg": "EdDSA", "kid": forger.kid})
    for name, changes in _foreign_claims(forger.expected).items():
        for kind in TYPES:
            yield f"{name} as {kind}", forger.sign({**forger.claims_of(kind), **changes}, _named(forger, kind))
    values: list[tuple[str, Any]] = [("client_id", ""), ("client_id", "x" * 201)]
    values += product(("scope", "client_id"), (["view:user"], 7, None, {}, True))
    for kind, (claim, value) in product((PERSONAL_TOKEN, API_KEY, ACCESS_TOKEN), values):
        claims = {**forger.claims_of(kind), claim: value}
        yield f"{kind} with {claim} {value!r:.40}", forger.sign(claims, _named(forger, kind))


def _named(forger: Forger, kind: str) -> dict[str, Any]:
    return {**forger.header, "typ": TYPES[kind]}


def _foreign_claims(expected: Expected) -> dict[str, Claims]:
    """What tells tokens of other uses from ours, even when we signed them."""
    return {
        "ID token": {"aud": "client:1", "nonce": "n", "email": "a@b.test", "email_verified": True},
        "refresh token": {"aud": f"{expected.oauth_issuer}/oauth/token", "family": "f"},
        "reset token": {"purpose": "password-reset"},
        "token for another service": {"aud": "billing.peerly.com"},
        "logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    }
