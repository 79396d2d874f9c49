"""A small OpenID Connect provider on this machine: discovery, keys that can be rotated, and any token one likes."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey, import_key

Key = RSAKey | ECKey


class IdentityProvider:
    """Serves its documents, and signs what it is asked to."""

    def __init__(self) -> None:
        self.keys: list[Key] = [RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})]
        self.discovery: dict[str, Any] = {}
        self.requests: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests.append(self.path)
                document = provider.document(self.path)
                body = json.dumps(document).encode()
                self.send_response(200 if document is not None else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="identity provider")
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def document(self, path: str) -> dict[str, Any] | None:
        """Give what is served at a path."""
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"} | self.discovery
        if path == "/keys":
            return {"keys": [key.as_dict(private=False) for key in self.keys]}
        return None

    def claims(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON.
        """Give the claims of a good ID token; a change to None leaves a claim out."""
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "aud": "front-end",
            "sub": "person-1",
            "exp": now + 300,
            "iat": now,
            "email": "grace@service.example",
            "email_verified": True,
            "name": "Grace Hopper",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, *, header: dict[str, Any] | None = None, key: Key | None = None, **changes: Any) -> str:  # noqa: ANN401 - any JSON.
        """Sign a token, good but for the changes."""
        whole = {"alg": "RS256", "kid": "first", "typ": "JWT"} | (header or {})
        told = {name: value for name, value in whole.items() if value is not None}
        plain = (key or self.keys[0]).as_dict(private=True)
        # The library keeps a key to the algorithm that it names; a forger would not.
        signing = import_key({name: value for name, value in plain.items() if name != "alg"})
        return jwt.encode(told, self.claims(**changes), signing, algorithms=[told["alg"]], default_type=None)
