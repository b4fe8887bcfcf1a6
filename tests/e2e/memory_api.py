"""A test client of the HTTP API with one method per route. Each method checks for success and returns the JSON."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

Json = dict[str, Any]


def segment(value: str) -> str:
    """Return an id as one path segment."""
    return quote(value, safe="")


class MemoryApi:
    """A client of the deployed API."""

    def __init__(self, api_url: str) -> None:
        # The servers are local, so the environment's proxies do not apply.
        self.http = httpx.Client(base_url=api_url, timeout=60, trust_env=False)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request and return the response with any status."""
        return self.http.request(method, path, **options)

    def call(self, method: str, path: str, **options: Any) -> Json:
        """Send a request, check for success, and return the response's JSON, or {} for an empty response."""
        response = self.send(method, path, **options)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text[:1000]}"
        return dict(response.json()) if response.content else {}

    def run(self, prompt: str, headers: dict[str, str] | None = None, **fields: Any) -> Json:
        """Send `POST /run`."""
        return self.call("POST", "/run", json={"prompt": prompt, **fields}, headers=headers)

    def invoking(self, **fields: Any) -> Json:
        """Send `POST /invoking`."""
        return self.call("POST", "/invoking", json=fields)

    def invoked(self, user_message: str, assistant_message: str, **fields: Any) -> Json:
        """Send `POST /invoked`."""
        body = {"user_message": user_message, "assistant_message": assistant_message, **fields}
        return self.call("POST", "/invoked", json=body)

    def thread(self, thread_id: str) -> Json:
        """Send `GET /threads/{thread_id}`."""
        return self.call("GET", f"/threads/{segment(thread_id)}")

    def threads(self, user_id: str, **query: Any) -> Json:
        """Send `GET /threads`."""
        return self.call("GET", "/threads", params={"user_id": user_id, **query})

    def messages(self, thread_id: str, **query: Any) -> Json:
        """Send `GET /threads/{thread_id}/messages`."""
        return self.call("GET", f"/threads/{segment(thread_id)}/messages", params=query)

    def contents(self, thread_id: str) -> list[str]:
        """Return the texts of a short thread's messages, oldest first."""
        return [item["content"] for item in self.messages(thread_id, limit=200)["items"]]

    def delete_thread(self, thread_id: str) -> None:
        """Send `DELETE /threads/{thread_id}`."""
        assert self.send("DELETE", f"/threads/{segment(thread_id)}").status_code == httpx.codes.NO_CONTENT

    def preferences(self, user_id: str) -> Json:
        """Send `GET /users/{user_id}/preferences`."""
        return self.call("GET", f"/users/{segment(user_id)}/preferences")

    def put_preferences(self, user_id: str, preferences: Json) -> Json:
        """Send `PUT /users/{user_id}/preferences`."""
        return self.call("PUT", f"/users/{segment(user_id)}/preferences", json=preferences)
