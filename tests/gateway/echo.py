"""An agent that tells what it saw, and ends its answers badly when asked. Its one argument is the port."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

seen = {"requests": 0, "gone": 0}
lock = threading.Lock()


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"status": "Healthy", "time_of_last_update": 1764000000})

    def do_POST(self):
        body = self.body()
        try:
            wish = json.loads(body)
        except ValueError:
            wish = {}
        with lock:
            seen["requests"] += 1
        if wish.get("stream"):
            return self.stream()
        if wish.get("cut"):
            return self.cut()
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        self.answer({"path": self.path, "headers": headers, "length": len(body), **seen})

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, value):
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if self.path == "/mcp":
            self.send_header("Mcp-Session-Id", self.headers.get("Mcp-Session-Id", "none"))
        self.end_headers()
        self.wfile.write(text)

    def stream(self):
        """Events until the caller is gone."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"data: more\n\n")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            with lock:
                seen["gone"] += 1

    def cut(self):
        """Less than the header promises."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b'{"response": "half of')


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
