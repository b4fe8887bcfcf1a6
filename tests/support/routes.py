"""A sample request of every route, for the tests of authorization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.routing import APIRoute

from functions.agent.http.auth import is_open
from shared.learning.normalize import free_slot
from shared.learning.statements import id_from

# The id in samples of routes about one exchange. A thread has this exchange only if the test stores it.
EXCHANGE: Final = "0190a000-0000-4000-8000-000000000001"
# The text of a memory that a sample adds.
MEMORY: Final = "secret coffee"
UserParameter = Literal["nowhere", "body", "query", "path"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample request to a route.

    Attributes:
        route: The application's method and path.
        fields: The body. If `names_user` is `body`, it may also have a `user_id`.
        is_on_thread: Whether the route is about a thread.
        names_user: Where the request can name a user.
        success: The status for an authorized caller.
        is_for_operators: Whether only operators are authorized.
    """

    route: str
    fields: dict[str, Any] | None = None
    is_on_thread: bool = False
    names_user: UserParameter = "nowhere"
    success: int = 200
    is_for_operators: bool = False

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return self.route.split()[0]

    def path(self, thread_id: str, user_id: str) -> str:
        """Return the path for a thread and a user."""
        path = self.route.split()[1].replace(":path", "")
        return path.format(
            thread_id=quote(thread_id, safe=""),
            user_id=quote(user_id, safe=""),
            exchange_id=EXCHANGE,
            # The memory that the sample of POST adds.
            memory_id=id_from(user_id, "fact", free_slot(MEMORY)),
        )

    def body(self, thread_id: str, user_id: str | None = None) -> dict[str, Any] | None:
        """Return the body, with this user if one is given."""
        if self.fields is None or self.names_user != "body":
            return self.fields
        user_field = {} if user_id is None else {"user_id": user_id}
        return {**self.fields, "thread_id": thread_id, **user_field}

    def query(self, user_id: str | None = None) -> dict[str, str] | None:
        """Return the query, with this user if one is given."""
        return {"user_id": user_id} if user_id is not None and self.names_user == "query" else None


SAMPLES: Final = (
    Sample("POST /run", {"prompt": "secret question"}, is_on_thread=True, names_user="body"),
    Sample("POST /invoking", {}, is_on_thread=True, names_user="body"),
    Sample(
        "POST /invoked",
        {"user_message": "secret question", "assistant_message": "secret answer"},
        is_on_thread=True,
        names_user="body",
        success=202,
    ),
    Sample("POST /search", {"query": "secret question"}, names_user="body"),
    Sample("GET /threads", names_user="query"),
    Sample("GET /threads/{thread_id:path}", is_on_thread=True),
    Sample("GET /threads/{thread_id:path}/messages", is_on_thread=True),
    Sample("GET /threads/{thread_id:path}/layers", is_on_thread=True),
    Sample("GET /status", is_for_operators=True),
    Sample("GET /overview", names_user="query"),
    Sample(
        "PUT /threads/{thread_id:path}/exchanges/{exchange_id}",
        {"user_message": "secret question", "assistant_message": "secret answer"},
        is_on_thread=True,
        success=202,
    ),
    Sample("PATCH /threads/{thread_id:path}", {"title": "secret title"}, is_on_thread=True),
    Sample("GET /users/{user_id:path}/preferences", names_user="path"),
    Sample("PUT /users/{user_id:path}/preferences", {"tone": "dry"}, names_user="path"),
    Sample("PATCH /users/{user_id:path}/preferences", {"tone": "kind"}, names_user="path"),
    Sample("POST /users/{user_id:path}/memories", {"text": MEMORY}, names_user="path", success=201),
    Sample("GET /users/{user_id:path}/memories", names_user="path"),
    Sample("GET /users/{user_id:path}/memories/{memory_id}", names_user="path"),
    Sample("PATCH /users/{user_id:path}/memories/{memory_id}", {"text": "secret tea"}, names_user="path"),
    Sample("DELETE /users/{user_id:path}/preferences", names_user="path", success=204),
    # These samples are last, because they delete the data of the others.
    Sample("DELETE /threads/{thread_id:path}/exchanges/{exchange_id}", is_on_thread=True, success=204),
    Sample("DELETE /threads/{thread_id:path}", is_on_thread=True, success=204),
    Sample("DELETE /users/{user_id:path}/memories/{memory_id}", names_user="path", success=204),
    Sample("DELETE /users/{user_id:path}/memories", names_user="path", success=204),
    Sample("DELETE /users/{user_id:path}", names_user="path", success=204),
)


def guarded_routes(app: FastAPI) -> set[str]:
    """Return the application's own routes that need a token."""
    return {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, APIRoute) and not is_open(route.path)
        for method in route.methods or ()
    }
