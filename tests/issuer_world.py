"""A token issuer as a TLS server in the test's own loop: it hands out what `answer` holds."""

import asyncio
import ssl
from contextlib import asynccontextmanager

from appliance.standin.certificates import write_certificates

NAME = "login.example.test"


class KeyServer:
    def __init__(self) -> None:
        self.answer, self.heads, self.port, self.ca = b"", [], 0, None
        self.mute = False

    def publish(self, body: bytes, status=b"200 OK", more=b"") -> None:
        length = str(len(body)).encode()
        self.answer = b"HTTP/1.1 " + status + b"\r\n" + more + b"content-length: " + length + b"\r\n\r\n" + body

    async def serve(self, reader, writer) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.mute:
                await reader.read()
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def issuer_at(folder, name=NAME):
    folder.mkdir(parents=True, exist_ok=True)
    server = KeyServer()
    server.ca, certificate, key = write_certificates(folder, (name,))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
