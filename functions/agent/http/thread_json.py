"""A thread as the API's JSON."""

from __future__ import annotations

from typing import Any

from shared.memory.sizes import fit_to_event
from shared.models import Thread, format_time


def thread_json(thread: Thread) -> dict[str, Any]:
    """Return a thread as the API's JSON."""
    fields: dict[str, Any] = {
        "thread_id": thread.thread_id,
        "user_id": thread.user_id,
        "title": thread.title,
        "created_at": format_time(thread.created_at),
        "updated_at": format_time(thread.updated_at),
        "message_count": thread.message_count,
    }
    if thread.document_ids is not None:
        count = fit_to_event(thread.document_ids, str)
        fields["document_ids"] = list(thread.document_ids[:count])
        if count < len(thread.document_ids):
            fields["omitted_documents"] = len(thread.document_ids) - count
    return fields
