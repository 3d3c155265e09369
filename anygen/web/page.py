"""The pages of this package: their files, and how they come by a key of the server.

The address that opens in the browser holds a token, which is valid once. The page exchanges it
for the key and keeps that in the browser, so that the address is worthless afterwards, wherever
it may have been written down.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request as HTTPRequest
from starlette.responses import FileResponse

from anygen.serve.errors import ApiError

STATIC = Path(__file__).parent / "static"
INDEX, SESSION = "index.html", "/web/session"
FILES = {f"/{path.name}": path for path in STATIC.iterdir()}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; media-src blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """Routes for a server whose key is `key`; `paths` are those that need none."""

    index = INDEX  # the file that opens
    paths = ("/", SESSION, *FILES)

    def __init__(self, key: str) -> None:
        self.key = key
        self.token: str | None = secrets.token_urlsafe(32)
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/", self.read_index, response_class=FileResponse)
        self.router.add_api_route(SESSION, self.begin_session, methods=["POST"])
        for path in FILES:
            self.router.add_api_route(path, self.read_file, response_class=FileResponse)

    def address(self, server: str) -> str:
        """Where to open the page; after `#`, which a browser sends to nobody, stands the token."""
        return f"{server}/#token={self.token}"

    async def read_index(self) -> FileResponse:
        return FileResponse(STATIC / self.index, headers=HEADERS)

    async def read_file(self, http: HTTPRequest) -> FileResponse:
        return FileResponse(FILES[http.url.path], headers=HEADERS)

    async def begin_session(self, http: HTTPRequest) -> dict[str, str]:
        """The key, for the token. Raises ApiError if that is wrong, or was used before."""
        token = http.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self.token is None or not hmac.compare_digest(token, self.token.encode()):
            raise ApiError(403, "the token is wrong, or was used before", "invalid_token")
        self.token = None
        return {"key": self.key}
