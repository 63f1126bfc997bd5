"""One working request for every operation: what the walk through roles and organisations sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.identity import Role
from tests.support.installation import ADMIN_EMAIL, ADMIN_PASSWORD
from tests.support.staging import (
    Make,
    a_token_to_name,
    adjusted_person,
    always,
    api_key,
    application_id,
    authorization,
    campaign,
    case_of_moderation,
    colleague,
    core_value,
    core_value_texts,
    employee,
    file_id,
    files_id,
    google_token,
    grant_of_somebody,
    identity_provider,
    leaver,
    maintenance_window,
    new_application,
    new_campaign,
    new_core_value,
    new_file,
    new_identity_provider,
    new_maintenance_window,
    new_organisation,
    new_recognition,
    new_series,
    new_team,
    new_token,
    new_value_list,
    newcomer,
    no_ids,
    nothing,
    only,
    organisation,
    organisation_body,
    own_picture,
    own_recognition,
    own_rights,
    own_series,
    own_session,
    personal_token,
    recognition,
    removable_file,
    report,
    reset_token,
    team,
    value_list,
)

ROOT: frozenset[Role | None] = frozenset({Role.SUPER_ADMIN})
MEMBERS: frozenset[Role | None] = frozenset({Role.ORGANISATION_ADMIN, Role.MODERATOR, Role.EMPLOYEE})
ADMINS = ROOT | {Role.ORGANISATION_ADMIN}
MODERATORS = ADMINS | {Role.MODERATOR}
ANY_ROLE = ROOT | MEMBERS
ANYONE = ANY_ROLE | {None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """How to call an operation so that it works.

    `who` may call it as the contract has it; None is somebody without a token. `ids` makes its path's parameters of
    things of the stage's company; `references` are fields of the body and `filters` parameters of the query that hold
    ids. `instead` are the answers of rules beyond permissions to a role, `status` another success than the document's
    first. `ends_session`: the caller's token does not survive it. The body is a `form`'s fields or JSON; `query` makes
    the parameters without which the operation does not work.
    """

    who: frozenset[Role | None]
    ids: Make = no_ids
    body: Make = nothing
    references: Mapping[str, Make] = field(default_factory=dict)
    filters: Mapping[str, Make] = field(default_factory=dict)
    instead: Mapping[Role, int] = field(default_factory=dict)
    status: int | None = None
    ends_session: bool = False
    form: bool = False
    query: Make = no_ids


PROFILE = {"first_name": "Robin", "last_name": "Tester", "display_name": "Robin"}
WRONG_PASSWORD = {"current": "certainly not the present one", "new": "another long enough password"}
CUSTOMER = {"name": "A customer", "contactEmail": "office@customer.test"}

WITH_HISTORY: dict[str, tuple[str, Make]] = {
    "core_values": ("id", core_value), "recognitions": ("id", recognition), "users": ("id", colleague),
    "organisations": ("id", organisation), "api-keys": ("id", api_key), "oauth/clients": ("id", application_id),
    "policies": ("id", organisation), "quota/users": ("id", adjusted_person),
    "moderation/cases": ("recognition_id", case_of_moderation), "teams": ("id", team),
    "campaigns": ("id", campaign), "recognition-series": ("id", own_series),
}  # fmt: skip
"""What keeps a history, with the name of its id in the path."""

CASES: dict[str, Case] = {
    "GET /healthz": Case(who=ANYONE),
    "GET /readyz": Case(who=ANYONE),
    "GET /": Case(who=ANYONE),
    "GET /openapi.json": Case(who=ANYONE),
    "GET /postman.json": Case(who=ANYONE),
    "GET /spec.yaml": Case(who=ANYONE),
    "GET /docs": Case(who=ANYONE),
    "POST /oauth/google": Case(who=ANYONE, body=google_token),
    "GET /oauth/authorize": Case(who=ANYONE, query=authorization),
    "POST /oauth/authorize": Case(
        who=ANYONE, query=authorization, body=always({"decision": "allow"}), form=True, status=403
    ),
    "POST /oauth/token": Case(who=ANYONE, body=own_rights, form=True),
    "POST /oauth/revoke": Case(who=ANYONE, body=a_token_to_name, form=True),
    "POST /oauth/introspect": Case(who=ANYONE, body=a_token_to_name, form=True),
    "GET /.well-known/oauth-authorization-server": Case(who=ANYONE),
    "POST /oauth/clients": Case(who=ADMINS, body=new_application),
    "GET /oauth/clients": Case(who=ADMINS),
    "GET /oauth/clients/{id}": Case(who=ADMINS, ids=only("id", application_id)),
    "PATCH /oauth/clients/{id}": Case(who=ADMINS, ids=only("id", application_id), body=new_application),
    "DELETE /oauth/clients/{id}": Case(who=ADMINS, ids=only("id", application_id)),
    "POST /oauth/clients/{id}/rotate": Case(who=ADMINS, ids=only("id", application_id)),
    "GET /users/me/grants": Case(who=ANY_ROLE),
    "DELETE /users/me/grants/{id}": Case(who=ANY_ROLE, ids=only("id", grant_of_somebody), status=404),
    "POST /login": Case(who=ANYONE, body=always({"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD})),
    "POST /logout": Case(who=ANY_ROLE, ends_session=True),
    "GET /.well-known/jwks.json": Case(who=ANYONE),
    "GET /users": Case(who=ANY_ROLE),
    "POST /users/query": Case(who=ANY_ROLE, body=always({"filter": {"role_id": {"ne": 4}}})),
    "GET /users/me": Case(who=ANY_ROLE),
    "PUT /users/me": Case(who=ANY_ROLE, body=always(PROFILE)),
    "GET /users/{id}": Case(who=ADMINS, ids=only("id", colleague)),
    "PUT /users/{id}": Case(who=ADMINS, ids=only("id", newcomer), body=always({"role_id": 4})),
    "DELETE /users/{id}": Case(who=ADMINS, ids=only("id", newcomer)),
    "POST /users/{id}/restore": Case(who=ADMINS, ids=only("id", leaver)),
    "POST /users/{id}/password-reset": Case(who=ADMINS, ids=only("id", newcomer)),
    "POST /password-resets/{token}": Case(
        who=ANYONE, ids=only("token", reset_token), body=always({"password": "a password nobody guesses"})
    ),
    "GET /password-resets/{token}": Case(who=ANYONE, ids=only("token", reset_token)),
    "POST /password-resets/{token}/form": Case(
        who=ANYONE,
        ids=only("token", reset_token),
        body=always({"password": "a password nobody guesses", "again": "a password nobody guesses"}),
        form=True,
    ),
    "PUT /users/me/password": Case(who=ANY_ROLE, body=always(WRONG_PASSWORD), status=400),
    "POST /users/me/tokens": Case(who=ANY_ROLE, body=new_token),
    "GET /users/me/tokens": Case(who=ANY_ROLE),
    "DELETE /users/me/tokens/{id}": Case(who=ANY_ROLE, ids=only("id", personal_token)),
    "GET /users/me/sessions": Case(who=ANY_ROLE),
    "DELETE /users/me/sessions/{id}": Case(who=ANY_ROLE, ids=only("id", own_session)),
    "POST /api-keys": Case(who=ADMINS, body=always({"name": "For the walk", "scopes": ["view:user"]})),
    "GET /api-keys": Case(who=ADMINS),
    "GET /api-keys/{id}": Case(who=ADMINS, ids=only("id", api_key)),
    "PATCH /api-keys/{id}": Case(who=ADMINS, ids=only("id", api_key), body=always({"name": "Walked"})),
    "DELETE /api-keys/{id}": Case(who=ADMINS, ids=only("id", api_key)),
    "POST /api-keys/{id}/rotate": Case(who=ADMINS, ids=only("id", api_key), instead={Role.SUPER_ADMIN: 400}),
    "POST /authentication/login": Case(
        who=ANYONE, body=always({"userName": ADMIN_EMAIL, "password": ADMIN_PASSWORD}), status=401
    ),
    "GET /scopes": Case(who=ANY_ROLE),
    "GET /whoami": Case(who=ANY_ROLE),
    "POST /organisations": Case(who=ROOT, body=new_organisation),
    "GET /organisations": Case(who=ROOT),
    "GET /organisations/me": Case(who=ANY_ROLE),
    "GET /organisations/{id}": Case(who=ANY_ROLE, ids=only("id", organisation)),
    "PUT /organisations/{id}": Case(who=ADMINS, ids=only("id", organisation), body=organisation_body),
    "PATCH /organisations/{id}": Case(who=ADMINS, ids=only("id", organisation), body=always({"city": "Berlin"})),
    "POST /organisations/{id}/identity-providers": Case(
        who=ADMINS, ids=only("id", organisation), body=new_identity_provider
    ),
    "GET /organisations/{id}/identity-providers": Case(who=ADMINS, ids=only("id", organisation)),
    "GET /organisations/{id}/identity-providers/{provider_id}": Case(who=ADMINS, ids=identity_provider),
    "PATCH /organisations/{id}/identity-providers/{provider_id}": Case(
        who=ADMINS, ids=identity_provider, body=always({"email_claim": "upn"})
    ),
    "DELETE /organisations/{id}/identity-providers/{provider_id}": Case(who=ADMINS, ids=identity_provider),
    "GET /directory": Case(who=ANY_ROLE),
    "GET /teams": Case(who=ANY_ROLE),
    "POST /teams/query": Case(who=ANY_ROLE, body=always({"filter": {"name": {"prefix": "a"}}})),
    "POST /teams": Case(who=ADMINS, body=new_team, references={"lead_id": colleague}),
    "GET /teams/{id}": Case(who=ANY_ROLE, ids=only("id", team)),
    "PUT /teams/{id}": Case(who=ADMINS, ids=only("id", team), body=new_team, references={"lead_id": colleague}),
    "PATCH /teams/{id}": Case(
        who=ADMINS, ids=only("id", team), body=always({"lead_id": None}), references={"lead_id": colleague}
    ),
    "DELETE /teams/{id}": Case(who=ADMINS, ids=only("id", team)),
    "GET /valuelists": Case(who=ANY_ROLE),
    "POST /valuelists": Case(who=ADMINS, body=new_value_list),
    "GET /valuelists/{name}": Case(who=ANY_ROLE, ids=only("name", value_list)),
    "PUT /valuelists/{name}": Case(who=ADMINS, ids=only("name", value_list), body=always({"values": ["Three"]})),
    "DELETE /valuelists/{name}": Case(who=ADMINS, ids=only("name", value_list)),
    "GET /maintenance-windows": Case(who=ANYONE),
    "POST /maintenance-windows": Case(who=ROOT, body=new_maintenance_window),
    "PUT /maintenance-windows/{id}": Case(
        who=ROOT, ids=only("id", maintenance_window), body=new_maintenance_window
    ),
    "DELETE /maintenance-windows/{id}": Case(who=ROOT, ids=only("id", maintenance_window)),
    "GET /customers": Case(who=ROOT),
    "POST /customers": Case(who=ROOT, body=always(CUSTOMER)),
    "GET /customers/{id}": Case(who=ROOT, ids=only("id", organisation)),
    "PUT /customers/{id}": Case(who=ROOT, ids=only("id", organisation), body=always(CUSTOMER)),
    "POST /core_values": Case(who=ADMINS, body=new_core_value, references={"parent_core_value_id": core_value}),
    "GET /core_values": Case(who=ANY_ROLE),
    "POST /core_values/query": Case(who=ANY_ROLE, body=always({"filter": {"text": {"prefix": "a"}}})),
    "GET /core_values/{id}": Case(who=ANY_ROLE, ids=only("id", core_value)),
    "PUT /core_values/{id}": Case(who=ADMINS, ids=only("id", core_value), body=core_value_texts),
    "PATCH /core_values/{id}": Case(
        who=ADMINS, ids=only("id", core_value), body=new_core_value, references={"parent_core_value_id": core_value}
    ),
    "DELETE /core_values/{id}": Case(who=ADMINS, ids=only("id", core_value)),
    "POST /recognitions": Case(
        who=MEMBERS, body=new_recognition, references={"given_for": colleague, "core_value_id": core_value}
    ),
    "GET /recognitions": Case(
        who=ANY_ROLE, filters={"given_by": employee, "given_for": colleague, "core_value_id": core_value}
    ),
    "POST /recognitions/query": Case(who=ANY_ROLE, body=always({"sort": ["given_at"], "fields": ["id"]})),
    "GET /recognitions/{id}": Case(who=ANY_ROLE, ids=only("id", recognition)),
    "PUT /recognitions/{id}": Case(
        who=MEMBERS, ids=only("id", own_recognition), body=always({"text": "Walked"}),
    ),
    "PATCH /recognitions/{id}": Case(who=MEMBERS, ids=only("id", own_recognition), body=always({"text": "Walked"})),
    "DELETE /recognitions/{id}": Case(who=ANY_ROLE, ids=only("id", own_recognition)),
    "POST /recognitions/{id}/hi5": Case(who=MEMBERS, ids=only("id", recognition)),
    "GET /recognitions/{id}/hi5": Case(who=ANY_ROLE, ids=only("id", recognition)),
    "GET /insights/leaderboard": Case(
        who=ANY_ROLE,
        query=always({"metric": "hi5_received"}),
        filters={"core_value_id": core_value, "team_id": team, "campaign_id": campaign},
    ),
    "GET /insights/campaigns/{id}/thermometer": Case(who=ANY_ROLE, ids=only("id", campaign)),
    "GET /insights/search": Case(who=ANY_ROLE, query=always({"q": "Thanks"})),
    "GET /insights/summary": Case(who=ANY_ROLE),
    "GET /hi5s/proof": Case(who=ADMINS),
    "POST /files": Case(who=ANY_ROLE, query=own_picture, body=new_file, form=True),
    "GET /files/{files_id}": Case(who=ANY_ROLE, ids=only("files_id", files_id)),
    "GET /filecontent/{file_id}": Case(who=ANY_ROLE, ids=only("file_id", file_id)),
    "GET /filecontent/{file_id}/description": Case(who=ANY_ROLE, ids=only("file_id", file_id)),
    "DELETE /filecontent/{file_id}": Case(who=ANY_ROLE, ids=only("file_id", removable_file)),
    "GET /exports/recognitions.csv": Case(who=ADMINS),
    "GET /exports/recognitions.ndjson": Case(who=ADMINS),
    "GET /campaigns": Case(who=ANY_ROLE),
    "POST /campaigns/query": Case(who=ANY_ROLE, body=always({"sort": ["-ends_at"]})),
    "POST /campaigns": Case(who=ADMINS, body=new_campaign),
    "GET /campaigns/{id}": Case(who=ANY_ROLE, ids=only("id", campaign)),
    "PUT /campaigns/{id}": Case(who=ADMINS, ids=only("id", campaign), body=new_campaign),
    "PATCH /campaigns/{id}": Case(who=ADMINS, ids=only("id", campaign), body=always({"goal_target": 7})),
    "DELETE /campaigns/{id}": Case(who=ADMINS, ids=only("id", campaign)),
    "GET /recognition-series": Case(who=ANY_ROLE),
    "POST /recognition-series/query": Case(who=ANY_ROLE, body=always({"sort": ["-starts_at"]})),
    "POST /recognition-series": Case(
        who=MEMBERS, body=new_series, references={"given_for": colleague, "core_value_id": core_value}
    ),
    "GET /recognition-series/{id}": Case(who=ANY_ROLE, ids=only("id", own_series)),
    "PUT /recognition-series/{id}": Case(
        who=MEMBERS, ids=only("id", own_series), body=new_series,
        references={"given_for": colleague, "core_value_id": core_value},
    ),
    "PATCH /recognition-series/{id}": Case(
        who=MEMBERS, ids=only("id", own_series), body=new_series,
        references={"given_for": colleague, "core_value_id": core_value},
    ),
    "DELETE /recognition-series/{id}": Case(who=ANY_ROLE, ids=only("id", own_series)),
    "GET /recognition-series/{id}/occurrences": Case(who=ANY_ROLE, ids=only("id", own_series)),
    "GET /quota/me": Case(who=ANY_ROLE),
    "GET /quota/users/{id}": Case(who=ADMINS, ids=only("id", colleague)),
    "GET /quota/users/{id}/ledger": Case(
        who=ANY_ROLE, ids=only("id", colleague), instead={Role.EMPLOYEE: 403, Role.MODERATOR: 403}
    ),
    "POST /quota/users/{id}/adjustments": Case(
        who=ADMINS, ids=only("id", colleague), body=always({"amount": 1, "reason": "For the walk"})
    ),
    "GET /availability": Case(who=ANY_ROLE),
    "GET /quota/proof": Case(who=ADMINS),
    "POST /recognitions/{id}/report": Case(
        who=ANY_ROLE, ids=only("id", recognition), body=report, instead={Role.EMPLOYEE: 422}
    ),
    "POST /recognitions/{id}/review": Case(
        who=MODERATORS, ids=only("id", recognition), body=always({"is_inappropriate": True})
    ),
    "GET /moderation/cases": Case(who=MODERATORS),
    "GET /moderation/cases/{recognition_id}": Case(who=MODERATORS, ids=only("recognition_id", case_of_moderation)),
    "GET /maintenance-windows/historylog": Case(who=ROOT),
    "GET /maintenance-windows/{id}/historylog": Case(who=ROOT, ids=only("id", maintenance_window)),
    **{f"GET /{kind}/historylog": Case(who=ADMINS) for kind in WITH_HISTORY},
    **{
        f"GET /{kind}/{{{name}}}/historylog": Case(who=ADMINS, ids=only(name, maker))
        for kind, (name, maker) in WITH_HISTORY.items()
    },
}  # fmt: skip
