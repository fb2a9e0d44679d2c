"""An agent that speaks MCP, A2A or AG-UI, and dies in mid-answer when asked. Its one argument is the port."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(sys.argv[1])
CARD = {
    "name": "speaker",
    "description": "speaks",
    "version": "1",
    "url": f"http://127.0.0.1:{PORT}/",
    "preferredTransport": "JSONRPC",
    "protocolVersion": "0.3.0",
    "supportedInterfaces": [
        {"url": f"http://127.0.0.1:{PORT}/", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        {"url": "grpc://127.0.0.1:1", "protocolBinding": "GRPC", "protocolVersion": "1.0"},
    ],
    "capabilities": {"streaming": True},
    "defaultInputModes": ["text"],
    "defaultOutputModes": ["text"],
    "skills": [],
    "signatures": [{"protected": "a", "signature": "b"}],
}


class Speaker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/.well-known/agent-card.json":
            return self.answer(CARD)
        self.answer({"status": "Healthy", "time_of_last_update": 1764000000})

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        method = call.get("method")
        if method == "die" or call.get("runId"):
            return self.die()
        extra = []
        if method == "initialize":
            # As a server with sessions does.
            extra = [("Mcp-Session-Id", f"made-by-{os.getpid()}")]
        result = {"pid": os.getpid(), "headers": {name.lower(): value for name, value in self.headers.items()}}
        if method in ("GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard"):
            result = CARD
        self.answer({"jsonrpc": "2.0", "id": call.get("id"), "result": result}, extra)

    def answer(self, value, extra=()):
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def die(self):
        """An event and a half, and no last chunk."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        text = b'data: {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "Hel"}\n\ndata: {"type": "TEXT'
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()
        os._exit(1)


ThreadingHTTPServer(("127.0.0.1", PORT), Speaker).serve_forever()
