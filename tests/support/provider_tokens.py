"""A local issuer of tokens with the claims of Cognito, Auth0, Entra ID or Keycloak, and the settings of docs/tokens.md.

`python -m tests.support.provider_tokens NAME` runs it, and writes `settings.sh` and `tokens.sh` to `.local-identity`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.support.issuer import Issuer

ROOT: Final = Path(__file__).resolve().parents[2]
HEADINGS: Final = {
    "cognito": "Amazon Cognito",
    "auth0": "Auth0",
    "entra": "Microsoft Entra ID",
    "keycloak": "Keycloak",
}
USERS: Final = {"ada": "0cf7d2a4-90f1-7033-8c0e-5f1f6b8f0a01", "bob": "0cf7d2a4-90f1-7033-8c0e-5f1f6b8f0b02"}
SERVICE: Final = "9b1f4c1e-2f6a-4a53-9d7e-3a5d5f1c0c03"
Claims = dict[str, Any]


def documented_settings(provider: str) -> dict[str, str]:
    """Return the settings of a provider from docs/tokens.md."""
    page = (ROOT / "docs" / "tokens.md").read_text()
    block = page.partition(f"\n## {HEADINGS[provider]}\n")[2].partition("```ini\n")[2].partition("```")[0]
    return dict(re.findall(r"^(AUTH__\w+)=(.+)$", block, re.MULTILINE))


def local_settings(provider: str, issuer: Issuer) -> dict[str, str]:
    """Return the documented settings for a local issuer. Only the host in the addresses of issuer and keys differs."""
    documented = documented_settings(provider)
    addresses = {name: issuer.url + urlsplit(documented[name]).path for name in ("AUTH__ISSUER", "AUTH__JWKS_URL")}
    return {"AUTH__MODE": "jwt", **documented, **addresses}


def _cognito(audiences: list[str], subject: str, *, is_service: bool) -> Claims:
    claims = {
        "aud": None,
        "sub": subject,
        "token_use": "access",
        "version": 2,
        "jti": "b7a0",
        "auth_time": 1_790_000_000,
    }
    if is_service:
        return {**claims, "sub": audiences[1], "client_id": audiences[1], "scope": "memory/operator"}
    return {**claims, "client_id": audiences[0], "username": subject, "scope": "openid profile", "origin_jti": "5c2e"}


def _auth0(audiences: list[str], subject: str, *, is_service: bool) -> Claims:
    if is_service:
        service = {"sub": "kq3XyZ@clients", "azp": "kq3XyZ", "gty": "client-credentials", "aud": audiences[0]}
        return {**service, "scope": "memory:operator", "permissions": ["memory:operator"]}
    audience = [audiences[0], "https://your-tenant.eu.auth0.com/userinfo"]
    return {
        "sub": f"auth0|{subject[-12:]}",
        "aud": audience,
        "azp": "app",
        "scope": "openid profile",
        "permissions": [],
    }


def _entra(audiences: list[str], subject: str, *, is_service: bool) -> Claims:
    claims = {
        "aud": audiences[0],
        "oid": subject,
        "sub": f"pairwise-{subject[-4:]}",
        "tid": "your-tenant-id",
        "ver": "2.0",
    }
    if is_service:
        return {**claims, "idtyp": "app", "azp": "service", "azpacr": "1", "roles": ["Memory.Operator"]}
    return {**claims, "azp": "app", "azpacr": "0", "name": "A user", "scp": "Memory.Use"}


def _keycloak(audiences: list[str], subject: str, *, is_service: bool) -> Claims:
    roles = ["default-roles-your-realm", "offline_access", *(["memory-operator"] if is_service else [])]
    access = {"realm_access": {"roles": roles}, "resource_access": {"account": {"roles": ["view-profile"]}}}
    client = "service" if is_service else "app"
    claims = {"aud": [audiences[0], "account"], "sub": subject, "typ": "Bearer", "azp": client, "acr": "1"}
    return {**claims, **access, "scope": "openid email profile", "preferred_username": f"user-of-{client}"}


SHAPES: Final[Mapping[str, Callable[..., Claims]]] = {
    "cognito": _cognito,
    "auth0": _auth0,
    "entra": _entra,
    "keycloak": _keycloak,
}


def tokens(provider: str, issuer: Issuer) -> dict[str, str]:
    """Return tokens of two users (`TOKEN`, `OTHER`) and of a service that is an operator (`OPERATOR`)."""
    settings = local_settings(provider, issuer)
    audiences, iss = settings["AUTH__AUDIENCE"].split(","), settings["AUTH__ISSUER"]

    def sign(subject: str, *, is_service: bool) -> str:
        return issuer.token(**{"iss": iss, **_named(SHAPES[provider](audiences, subject, is_service=is_service))})

    users = {
        name: sign(subject, is_service=False) for name, subject in zip(("TOKEN", "OTHER"), USERS.values(), strict=True)
    }
    return {**users, "OPERATOR": sign(SERVICE, is_service=True)}


def _named(claims: Claims) -> Claims:
    """Return the claims as arguments of `Issuer.token`, which has its own name for `sub`."""
    return {("user" if name == "sub" else name): value for name, value in claims.items()}


def _write(path: Path, values: Mapping[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()))


def main() -> int:
    """Run an issuer until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.provider_tokens", description=__doc__)
    parser.add_argument("provider", choices=list(HEADINGS))
    parser.add_argument("--to", type=Path, default=Path(".local-identity"), help="the directory of the two files")
    options = parser.parse_args()
    with Issuer() as issuer:
        options.to.mkdir(parents=True, exist_ok=True)
        _write(options.to / "tokens.sh", tokens(options.provider, issuer))
        _write(options.to / "settings.sh", local_settings(options.provider, issuer))
        sys.stdout.write(
            f"{options.to}/settings.sh and tokens.sh are written. The tokens expire in ten minutes. Ctrl-C ends.\n"
        )
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
