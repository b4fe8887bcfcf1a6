"""An agent of your own that streams its answer: the memory before the model, and the exchange stored after it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI, OpenAIError
from pydantic import BaseModel

from hybrid_memory_client import AsyncMemoryClient, MemoryClientError

memory = AsyncMemoryClient(os.environ["HYBRID_MEMORY_URL"])
model = AsyncOpenAI()  # reads OPENAI_API_KEY and OPENAI_BASE_URL
turns: set[asyncio.Task[None]] = set()


class Question(BaseModel):
    """A turn. Take the user from your own sign-in instead of the body."""

    prompt: str
    thread_id: str
    user_id: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await asyncio.gather(*turns)  # at the end of the process: finish and store the running turns
    await memory.aclose()


app = FastAPI(lifespan=lifespan)


async def read_tokens(context: str, prompt: str) -> AsyncIterator[str]:
    chunks = await model.chat.completions.create(
        model=os.environ["MODEL"],
        messages=[{"role": "system", "content": context}, {"role": "user", "content": prompt}],
        stream=True,
    )
    async for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def run_turn(question: Question, send: Callable[[str, object], None]) -> None:
    thread, user = question.thread_id, question.user_id
    context = await memory.invoking(thread_id=thread, user_id=user)
    exchange_id = memory.new_id()  # made once, so that a retry stores the same exchange
    answer = ""
    try:
        async for token in read_tokens(context.context, question.prompt):
            answer += token
            send("token", token)
    except OpenAIError as error:
        send("error", type(error).__name__)
    if answer:  # also an incomplete answer, because the reader has seen it
        stored = await memory.invoked(question.prompt, answer, thread_id=thread, user_id=user, exchange_id=exchange_id)
        send("stored", {"exchange_id": str(exchange_id), "durability": stored.durability})


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    events: asyncio.Queue[tuple[str, object] | None] = asyncio.Queue()

    async def turn() -> None:
        try:
            await run_turn(question, lambda *event: events.put_nowait(event))
        except MemoryClientError as error:
            events.put_nowait(("error", type(error).__name__))
        finally:
            events.put_nowait(None)

    async def stream() -> AsyncIterator[str]:
        while event := await events.get():
            yield f"event: {event[0]}\ndata: {json.dumps(event[1])}\n\n"

    task = asyncio.create_task(turn())  # a task of its own, so it continues when its reader disconnects
    turns.add(task)
    task.add_done_callback(turns.discard)
    return StreamingResponse(stream(), media_type="text/event-stream")
