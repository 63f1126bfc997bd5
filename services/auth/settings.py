"""Auth's settings besides the shared ones."""

from __future__ import annotations

from dataclasses import dataclass

from environs import Env, EnvError, validate

from shared.settings import Settings as SharedSettings

GOOGLE_TOKENINFO = "https://oauth2.googleapis.com/tokeninfo"
GOOGLE_USERINFO = "https://openidconnect.googleapis.com/v1/userinfo"
SHORTEST_SECRET = 16


@dataclass(frozen=True, kw_only=True)
class Settings(SharedSettings):
    """Where Google is, who runs the installation first, what the signing keys are locked with.

    With `providers_internal` identity providers may be inside of the own network.
    """

    google_client_id: str | None
    google_tokeninfo_url: str
    google_userinfo_url: str
    admin_email: str | None
    admin_password: str | None
    secret: str
    providers_internal: bool

    @classmethod
    def values(cls, service: str, env: Env) -> dict[str, object]:
        return {
            **SharedSettings.values(service, env),
            "google_client_id": env.str("GOOGLE_CLIENT_ID", "") or None,
            "google_tokeninfo_url": env.str("GOOGLE_TOKENINFO_URL", "") or GOOGLE_TOKENINFO,
            "google_userinfo_url": env.str("GOOGLE_USERINFO_URL", "") or GOOGLE_USERINFO,
            "admin_email": env.str("PEERLY_ADMIN_EMAIL", "") or None,
            "admin_password": env.str("PEERLY_ADMIN_PASSWORD", "") or None,
            "secret": env.str("PEERLY_SECRET", validate=validate.Length(min=SHORTEST_SECRET)),
            "providers_internal": _providers_internal(env),
        }


def _providers_internal(env: Env) -> bool:
    value = env.str("PEERLY_PROVIDERS_INTERNAL", "").lower() or "off"
    if value not in {"on", "off"}:
        raise EnvError(f"PEERLY_PROVIDERS_INTERNAL is {value!r}; it must be on or off")
    return value == "on"
