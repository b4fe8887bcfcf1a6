"""A typed client of the hybrid agent memory. Each agent framework's memory is in a module with the framework's name."""

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client.auth import BearerAuth
from hybrid_memory_client.errors import (
    ApiError,
    CannotBeKept,
    Conflict,
    ConnectionFailed,
    FieldError,
    HistoryDegraded,
    InvalidRequest,
    MemoryClientError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    NotKept,
    NotThisApi,
    RefusedByGateway,
    ServerFault,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from hybrid_memory_client.inspection import Layers, Overview, Status
from hybrid_memory_client.memories import Evidence, FoundMemory, Memories, Memory
from hybrid_memory_client.models import Context, Health, Kept, MemoryReport, Message, Page, RunResult, Selection, Thread
from hybrid_memory_client.retries import RetryPolicy
from hybrid_memory_client.search import Highlight, SearchItem, SearchResult

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AsyncMemoryClient",
    "BearerAuth",
    "CannotBeKept",
    "Conflict",
    "ConnectionFailed",
    "Context",
    "Evidence",
    "FieldError",
    "FoundMemory",
    "Health",
    "Highlight",
    "HistoryDegraded",
    "InvalidRequest",
    "Kept",
    "Layers",
    "Memories",
    "Memory",
    "MemoryClient",
    "MemoryClientError",
    "MemoryReport",
    "Message",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "NotKept",
    "NotThisApi",
    "Overview",
    "Page",
    "RefusedByGateway",
    "RetryPolicy",
    "RunResult",
    "SearchItem",
    "SearchResult",
    "Selection",
    "ServerFault",
    "Status",
    "Thread",
    "TooManyRequests",
    "Unavailable",
    "UnexpectedAnswer",
    "__version__",
]
