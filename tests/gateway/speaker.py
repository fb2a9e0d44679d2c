"""An agent that speaks MCP, A2A or AG-UI, says what it is told to, and dies in mid-answer when asked. Its one argument is the port."""

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
        if "answer" in call:
            return self.answer(call["answer"])
        if "threadId" in call:
            return self.run(call)
        if method == "die":
            return self.die()
        extra = []
        if method == "initialize":
            # As a server with sessions does.
            extra = [("Mcp-Session-Id", f"made-by-{os.getpid()}")]
        result = {"pid": os.getpid(), "headers": {name.lower(): value for name, value in self.headers.items()}}
        if method in ("GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard"):
            result = CARD
        self.answer({"jsonrpc": "2.0", "id": call.get("id"), "result": result}, extra)

    def run(self, call):
        """An AG-UI run: two messages, with reasoning, a tool and state between them."""
        said = call["messages"][-1]["content"]
        if said == "die":
            return self.die()
        ids = {"threadId": call["threadId"], "runId": call["runId"]}
        events = [
            {"type": "RUN_STARTED", **ids},
            {"type": "REASONING_MESSAGE_CONTENT", "messageId": "a", "delta": "Hm."},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "b", "delta": "You said "},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "{}"},
            {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/a", "value": 1}]},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "d", "delta": said},
            {"type": "RUN_FINISHED", **ids},
        ]
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        self.send(text.encode(), "text/event-stream")

    def answer(self, value, extra=()):
        self.send(json.dumps(value).encode(), "application/json", extra)

    def send(self, text, kind, extra=()):
        self.send_response(200)
        self.send_header("Content-Type", kind)
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
