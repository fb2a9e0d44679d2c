"""An agent that takes the subprotocol `json`, and says of each message in how many frames it came. Its one argument is the port."""

import base64
import hashlib
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Frames(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path != "/ws":
            body = b'{"status": "Healthy", "time_of_last_update": 1764000000}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        offered = self.headers.get("Sec-WebSocket-Protocol", "")
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        if "json" in [name.strip() for name in offered.split(",")]:
            self.send_header("Sec-WebSocket-Protocol", "json")
        self.end_headers()
        self.close_connection = True
        frames, length = 0, 0
        while True:
            last, opcode, payload = self.frame()
            if opcode == 8:
                return self.send(0x88, payload)
            if opcode == 9:
                self.send(0x8A, payload)
                continue
            frames, length = frames + 1, length + len(payload)
            if frames == 1:
                # Before the message is whole.
                self.send(0x81, b"begun")
            if last:
                # In two frames.
                self.send(0x01, b"%d frames, " % frames)
                self.send(0x80, b"%d bytes" % length)
                frames, length = 0, 0

    def frame(self):
        first, second = self.rfile.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.rfile.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.rfile.read(8))
        mask = self.rfile.read(4)
        payload = self.rfile.read(length)
        return first & 0x80, first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))

    def send(self, first, payload):
        self.wfile.write(bytes([first, len(payload)]) + payload)
        self.wfile.flush()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Frames).serve_forever()
