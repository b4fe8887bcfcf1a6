"""An issuer of tokens with its own keys, a JWK set on 127.0.0.1, and valid and invalid tokens."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.settings import TokenSettings
from tests.support.http_server import ServerInThread

AUDIENCE: Final = "https://memory.example/api"
OPERATOR: Final = "memory:operator"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key(algorithm: str = "RS256", bits: int = 2048) -> PrivateKey:
    """Return a new private key."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    return ec.generate_private_key(ec.SECP256R1())


class Issuer(ServerInThread):
    """Signs tokens, and serves the keys for checking them.

    Attributes:
        keys: Private keys by key id. Their public halves are published.
        fetches: The number of requests for the JWK set.
        status: The response's status. 0 closes the connection without a response.
        body: The response's body instead of the JWK set.
        delay: The number of seconds before the response.
    """

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {"one": new_key(), "two": new_key("ES256")}
        self.fetches = 0
        self.status = 200
        self.body: bytes | None = None
        self.delay = 0.0
        server = _Server(("127.0.0.1", 0), _Handler)
        server.issuer = self
        super().__init__(server)

    def settings(self) -> TokenSettings:
        """Return settings that accept the issuer's tokens."""
        return TokenSettings(f"{self.url}/jwks.json", self.url, (AUDIENCE,))

    def environment(self) -> dict[str, str]:
        """Return these settings as a function's environment."""
        return {
            "AUTH__MODE": "jwt",
            "AUTH__JWKS_URL": f"{self.url}/jwks.json",
            "AUTH__ISSUER": self.url,
            "AUTH__AUDIENCE": AUDIENCE,
        }

    def published(self) -> list[dict[str, Any]]:
        """Return the JWK set's keys."""
        return [public_jwk(kid, key) for kid, key in self.keys.items()]

    def token(
        self,
        user: object = "ana",
        *,
        kid: str = "one",
        key: PrivateKey | None = None,
        headers: Any = None,
        **claims: Any,
    ) -> str:
        """Return a token of this user. A claim that is None is left out."""
        key = key or self.keys[kid]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(user, **claims), key, algorithm, {"kid": kid, **(headers or {})})

    def claims(self, user: object = "ana", **claims: Any) -> dict[str, Any]:
        """Return a token's claims."""
        now = int(time.time())
        all_claims = {"iss": self.url, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + 600, **claims}
        return {name: value for name, value in all_claims.items() if value is not None}

    def public_pem(self, kid: str = "one") -> bytes:
        """Return a public key as text. An attack uses it as a secret."""
        return self.keys[kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """Return a token whose algorithm is `none`."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT", **header}, claims)]
    return ".".join([*(_encoded(part) for part in parts), ""])


def signed_with_public_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    """Return a token signed with HS256, with the public key as the secret."""
    head = _encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "one"}).encode())
    body = _encoded(json.dumps(claims).encode())
    signature = hmac.new(issuer.public_pem(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def public_jwk(kid: str, key: PrivateKey) -> dict[str, Any]:
    """Return the public half of a key as a JWK."""
    if isinstance(key, rsa.RSAPrivateKey):
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig"}


class _Server(ThreadingHTTPServer):
    issuer: Issuer


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        issuer = self.server.issuer
        issuer.fetches += 1
        time.sleep(issuer.delay)
        if not issuer.status:
            return
        body = issuer.body if issuer.body is not None else json.dumps({"keys": issuer.published()}).encode()
        self.send_response(issuer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            # The client may not have waited for the response.
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Log nothing."""
