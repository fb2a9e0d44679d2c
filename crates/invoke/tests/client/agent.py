"""The agent of the client's tests: does as the request body says, counts what it sees, and tells what it was given."""

import base64
import hashlib
import json
import os
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen = {}
lock = threading.Lock()


class Agent(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind="application/json", extra=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/ping":
            self.answer(200, {"status": "Healthy", "time_of_last_update": int(time.time())})
        elif self.path == "/ws":
            self.socket()
        elif self.path == "/.well-known/agent-card.json":
            self.answer(200, {"name": "support"})
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            wish = json.loads(body)
        except ValueError:
            wish = {"do": "hash"}
        with lock:
            name = wish.get("name", "")
            seen[name] = seen.get(name, 0) + 1
        getattr(self, "do_" + wish.get("do", "tell"))(wish, body)

    def do_tell(self, wish, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.answer(200, {"headers": headers, "body": wish, "seen": seen})

    def do_hash(self, wish, body):
        self.answer(200, {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()})

    def do_status(self, wish, body):
        self.answer(wish["status"], {"error": "inner"}, kind="application/problem+json")

    def do_sleep(self, wish, body):
        time.sleep(wish["seconds"])
        self.answer(200, {})

    def do_stream(self, wish, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for count in range(wish["count"]):
            event = b"data: %d\n\n" % count
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def socket(self):
        """Echoes each message of up to 125 bytes, until it is closed."""
        if self.headers.get("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Refuse"):
            self.answer(403, {"error": "not you"})
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            first, second = self.rfile.read(2)
            mask = self.rfile.read(4)
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(second & 0x7F)))
            self.wfile.write(struct.pack(">BB", first, len(payload)) + payload)
            self.wfile.flush()
            if first & 0x0F == 8:
                return


server = ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Agent)
server.daemon_threads = True
server.serve_forever()
