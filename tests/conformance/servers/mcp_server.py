"""A tool server of the MCP SDK: `mcp_server.py PORT sse|streamable-http`."""

import sys

from mcp.server import MCPServer

server = MCPServer("accounts", version="2.1.0")


@server.tool()
def look_up(name: str) -> str:
    """Look somebody up."""
    return f"found {name}"


server.run(sys.argv[2], host="127.0.0.1", port=int(sys.argv[1]))
