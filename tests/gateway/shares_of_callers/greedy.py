"""An agent whose answers are long, or never end. Its one argument is the port."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Greedy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"status": "Healthy", "time_of_last_update": 1764000000})

    def do_POST(self):
        wish = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        try:
            if "line" in wish:
                return self.line()
            if "mebibytes" in wish:
                return self.events(wish["mebibytes"])
        except OSError:
            return None
        return self.answer({"response": wish.get("prompt")})

    def answer(self, value):
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def begin(self):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()

    def line(self):
        """One line that does not end."""
        self.begin()
        self.wfile.write(b"data: ")
        while True:
            self.wfile.write(b"x" * 65536)

    def events(self, mebibytes):
        """So much text, and then nothing more until the caller is gone."""
        self.begin()
        for _ in range(mebibytes * 16):
            self.wfile.write(b"data: " + b"x" * 65536 + b"\n\n")
        while True:
            self.wfile.write(b": still here\n\n")
            time.sleep(0.05)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Greedy).serve_forever()
