"""What clients do with the two servers: `client.py litellm|mcp|mcp_sse PORT`."""

import asyncio
import sys

import openai
from mcp import Client, ClientSession
from mcp.client.sse import sse_client

KEY = "sk-conformance-0123456789abcdef"


def ask(port: int) -> None:
    """A model list, a call, a stream, a call for a model that is not the one that answers."""
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0) as client:
        client.models.list()
        for model, stream in (("gpt-4o", False), ("gpt-4o", True), ("claude-opus-4", False)):
            messages = [{"role": "user", "content": "my secret is xyzzy"}]
            answer = client.chat.completions.create(model=model, messages=messages, stream=stream)
            if stream:
                list(answer)


async def call(port: int) -> None:
    """A session: tools are listed, one is called."""
    async with Client(f"http://127.0.0.1:{port}/mcp") as client:
        await client.list_tools()
        await client.call_tool("look_up", {"name": "xyzzy"})


async def call_as_before(port: int) -> None:
    """The same over the transport of 2024."""
    async with sse_client(f"http://127.0.0.1:{port}/sse") as streams, ClientSession(*streams) as session:
        await session.initialize()
        await session.list_tools()
        await session.call_tool("look_up", {"name": "xyzzy"})


if sys.argv[1] == "litellm":
    ask(int(sys.argv[2]))
else:
    asyncio.run((call if sys.argv[1] == "mcp" else call_as_before)(int(sys.argv[2])))
