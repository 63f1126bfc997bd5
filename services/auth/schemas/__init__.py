"""Bodies and queries in, resources out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import marshmallow as ma

from services.auth.domain.names import LONGEST_EMAIL, Domain, NotADomain, domain_of, is_email
from services.auth.domain.passwords import LONGEST, SHORTEST
from services.auth.domain.profiles import LONGEST_DEPARTMENT, LONGEST_DISPLAY_NAME, LONGEST_NAME
from shared.contracts.auth import Frequency, OrganisationStatus
from shared.http import PageQuery
from shared.http.fields import Choice, Count, EpochSeconds, HttpsUrl, Id, Pattern, Text, Truth
from shared.periods import UnknownTimezone, zone

MOST_DOMAINS = 100
LARGEST_LIMIT = 1_000_000
LONGEST_GUESS = 1_024
PHONE = r"(?=(?:[^0-9]*[0-9]){3})\+?[0-9(][0-9 ()./-]{2,38}(,? ?(x|ext\.?) ?[0-9]{1,8})?"
PHONE_HINT = "Must be a telephone number such as +49 30 901820 or (614) 456-1447 x12."
STATUSES = get_args(OrganisationStatus)
FREQUENCIES = get_args(Frequency)


class Strict(ma.Schema):
    """Unknown keys are left out."""

    class Meta:
        unknown = ma.EXCLUDE


class Email(Text):
    """An e-mail address."""

    default_error_messages = {"email": "Must be an e-mail address."}

    def __init__(self, **options: Any) -> None:
        super().__init__(3, LONGEST_EMAIL, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not is_email(text):
            raise self.make_error("email")
        return text


class DomainName(Text):
    """A domain such as example.com."""

    default_error_messages = {"domain": "Must be a domain name such as example.com."}

    def __init__(self, **options: Any) -> None:
        super().__init__(3, 253, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return domain_of(text)
        except NotADomain:
            raise self.make_error("domain") from None


class Timezone(Text):
    """An IANA time zone."""

    default_error_messages = {"timezone": "Must be an IANA time zone such as Europe/Berlin."}

    def __init__(self, **options: Any) -> None:
        super().__init__(1, 100, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            zone(text)
        except UnknownTimezone:
            raise self.make_error("timezone") from None
        return text


class Secret(ma.fields.String):
    """A password as it was typed: neither trimmed nor changed."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        message = "Must have {min} to {max} characters."
        super().__init__(validate=ma.validate.Length(least, most, error=message), **options)


def _different(domains: list[Domain]) -> None:
    if len({domain.key for domain in domains}) < len(domains):
        raise ma.ValidationError("Names a domain twice.")


def _domain_names(**options: Any) -> ma.fields.List[Any]:
    several = ma.validate.Length(1, MOST_DOMAINS, error="Must name {min} to {max} domains.")
    return ma.fields.List(DomainName(), validate=[several, _different], **options)


def _line(most: int = 200) -> Text:
    return Text(0, most, allow_none=True)


class GoogleSignIn(Strict):
    access_token = Text(1, 4096, required=True)


class PasswordSignIn(Strict):
    username = Text(1, LONGEST_EMAIL, required=True)
    password = Secret(1, LONGEST_GUESS, required=True)


class SetPassword(Strict):
    password = Secret(1, LONGEST_GUESS, required=True)


class PasswordForm(SetPassword):
    again = Secret(1, LONGEST_GUESS, required=True)


class ChangePassword(Strict):
    current = Secret(1, LONGEST_GUESS, required=True)
    new = Secret(1, LONGEST_GUESS, required=True)


class ChangeProfile(Strict):
    first_name = Text(1, LONGEST_NAME, required=True)
    last_name = Text(1, LONGEST_NAME, required=True)
    display_name = Text(1, LONGEST_DISPLAY_NAME, required=True)
    profile_image_url = HttpsUrl(allow_none=True)
    phone = Pattern(PHONE, PHONE_HINT, most=50, allow_none=True, metadata={"description": "Shown in the directory."})
    department = Text(1, LONGEST_DEPARTMENT, allow_none=True, metadata={"description": "Shown in the directory."})
    listed_in_leaderboards = Truth(metadata={"description": "false: no leaderboard lists me; true at first."})


class ChangeRole(Strict):
    role_id = Count(1, 4, required=True)


class UserQuery(PageQuery):
    starts_with = Text(0, 254, metadata={"description": "Prefix of first, last, display name or e-mail, in any case."})
    role_id = Count(1, 4, metadata={"description": "Only people with this role."})
    include_deleted = Truth(from_text=True, metadata={"description": "true: deleted people too; for admins."})
    org_id = Id(metadata={"description": "The organisation; for super admins only."})


class ChangeOrganisation(Strict):
    name = Text(1, 200)
    domain_names = _domain_names()
    contact_email = Email()
    subscription_status = _line(50)
    subscription_valid_upto = EpochSeconds(allow_none=True)
    hi5_limit = Count(0, LARGEST_LIMIT)
    hi5_quota_renewal_frequency = Choice(FREQUENCIES)
    timezone = Timezone()
    recognition_hi5_cost = Count(0, 1)
    number = _line(50)
    status = Choice(STATUSES)
    address1 = _line()
    address2 = _line()
    city = _line()
    state = _line()
    zip_code = _line(20)
    contact_name = _line()
    contact_phone = _line(50)
    billing_contact = _line()
    billing_contact_email = Email(allow_none=True)
    billing_contact_phone = _line(50)


class WriteOrganisation(ChangeOrganisation):
    name = Text(1, 200, required=True)
    domain_names = _domain_names(required=True)
    contact_email = Email(required=True)
    hi5_limit = Count(0, LARGEST_LIMIT, required=True)
    hi5_quota_renewal_frequency = Choice(FREQUENCIES, required=True)
    timezone = Timezone(required=True)


class Token(ma.Schema):
    token = ma.fields.String(required=True)


class Session(Token):
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds."})


class Nothing(ma.Schema):
    """An empty object."""


class PasswordLink(ma.Schema):
    link = ma.fields.String(required=True, metadata={"description": "Shown once; its last part is the token."})
    expires_at = EpochSeconds(required=True)


class User(ma.Schema):
    id = Id(required=True)
    first_name = ma.fields.String(required=True)
    last_name = ma.fields.String(required=True)
    email = ma.fields.String(required=True)
    display_name = ma.fields.String(required=True)
    profile_image_url = ma.fields.String(required=True, allow_none=True)
    role_id = Count(1, 4, required=True)
    hi5_quota_balance = Count(0, 2**53 - 1, required=True)
    org_id = Id(required=True, allow_none=True)
    soft_delete_by = Id(required=True, allow_none=True)
    soft_delete_at = EpochSeconds(required=True, allow_none=True)


class FullUser(User):
    hi5_count = Count(0, 2**53 - 1, required=True, metadata={"description": "Hi5s received."})
    phone = ma.fields.String(required=True, allow_none=True)
    department = ma.fields.String(required=True, allow_none=True)
    listed_in_leaderboards = ma.fields.Boolean(required=True)


class Organisation(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)
    domain_names = ma.fields.List(ma.fields.String(), required=True)
    contact_email = ma.fields.String(required=True)
    subscription_status = ma.fields.String(required=True, allow_none=True)
    subscription_valid_upto = EpochSeconds(required=True, allow_none=True)
    hi5_limit = Count(0, LARGEST_LIMIT, required=True)
    hi5_quota_renewal_frequency = Choice(FREQUENCIES, required=True)
    timezone = ma.fields.String(required=True)
    recognition_hi5_cost = Count(0, 1, required=True)
    number = ma.fields.String(required=True, allow_none=True)
    status = Choice(STATUSES, required=True)
    address1 = ma.fields.String(required=True, allow_none=True)
    address2 = ma.fields.String(required=True, allow_none=True)
    city = ma.fields.String(required=True, allow_none=True)
    state = ma.fields.String(required=True, allow_none=True)
    zip_code = ma.fields.String(required=True, allow_none=True)
    contact_name = ma.fields.String(required=True, allow_none=True)
    contact_phone = ma.fields.String(required=True, allow_none=True)
    billing_contact = ma.fields.String(allow_none=True, metadata={"description": "For admins."})
    billing_contact_email = ma.fields.String(allow_none=True, metadata={"description": "For admins."})
    billing_contact_phone = ma.fields.String(allow_none=True, metadata={"description": "For admins."})


class JsonWebKey(ma.Schema):
    kty = Choice(["OKP"], required=True)
    crv = Choice(["Ed25519"], required=True)
    alg = Choice(["EdDSA"], required=True)
    use = Choice(["sig"], required=True)
    kid = ma.fields.String(required=True)
    x = ma.fields.String(required=True)


class JsonWebKeys(ma.Schema):
    keys = ma.fields.List(ma.fields.Nested(JsonWebKey), required=True)


PASSWORD_RULE = f"{SHORTEST} to {LONGEST} characters of any kind, and none of the passwords that are guessed first."

GOOGLE_SIGN_IN = GoogleSignIn()
PASSWORD_SIGN_IN = PasswordSignIn()
SET_PASSWORD = SetPassword()
PASSWORD_FORM = PasswordForm()
CHANGE_PASSWORD = ChangePassword()
CHANGE_PROFILE = ChangeProfile()
CHANGE_ROLE = ChangeRole()
PAGE_QUERY = PageQuery()
CHANGE_ORGANISATION = ChangeOrganisation()
WRITE_ORGANISATION = WriteOrganisation()
TOKEN = Token()
SESSION = Session()
NOTHING = Nothing()
PASSWORD_LINK = PasswordLink()
USER = User()
FULL_USER = FullUser()
ORGANISATION = Organisation()
JSON_WEB_KEYS = JsonWebKeys()
