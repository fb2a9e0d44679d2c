"""The agent of the data plane's tests: does as the request body says, and tells what it was given."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.dont_write_bytecode = True
import socket_side

health = {"status": "Healthy", "time_of_last_update": int(time.time())}


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
        if self.path == "/ping" and "NO_PING" not in os.environ:
            self.answer(200, health)
        elif self.path == "/.well-known/agent-card.json" and "NO_CARD" not in os.environ:
            self.answer(200, {"name": "agent", "pid": os.getpid()})
        elif self.path == "/ws" and "WS_STATUS" in os.environ:
            self.answer(int(os.environ["WS_STATUS"]), {"error": "no sockets"})
        elif self.path == "/ws":
            socket_side.serve(self)
        else:
            self.answer(503, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            wish = json.loads(body)
        except ValueError:
            wish = {}
        default = "warm" if self.path == "/warm" else "tell"
        getattr(self, "do_" + wish.get("do", default))(wish, body)

    def do_tell(self, wish, body):
        told = {
            "pid": os.getpid(),
            "path": self.path,
            "length": len(body),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "env": dict(os.environ),
            "cwd": os.getcwd(),
            "argv": sys.argv[1:],
        }
        extra = [("Mcp-Session-Id", "inner"), ("Set-Cookie", "a=b"), ("X-Own", "1"), ("traceparent", "00-a-b-01")]
        self.answer(200, told, extra=extra)

    def do_mcp(self, wish, body):
        """Answers with this `Mcp-Session-Id`, or with none."""
        told = {"pid": os.getpid(), "mcp": self.headers.get("Mcp-Session-Id")}
        self.answer(200, told, extra=[("Mcp-Session-Id", wish["id"])] if "id" in wish else [])

    def do_wait(self, wish, body):
        """Answers when a file is there."""
        print("waiting", flush=True)
        while not os.path.exists(wish["for"]):
            time.sleep(0.01)
        self.answer(200, {"pid": os.getpid()})

    def do_warm(self, wish, body):
        """What the warm-up hook does: as the image says."""
        print("warms up", flush=True)
        self.answer(int(os.environ.get("WARMUP_STATUS", "200")), {})

    def do_status(self, wish, body):
        self.answer(wish["status"], {"error": "inner"}, kind="application/problem+json")

    def do_health(self, wish, body):
        health.clear()
        health.update(wish["health"])
        self.answer(200, {})

    def do_exit(self, wish, body):
        os._exit(3)

    def do_stream(self, wish, body):
        """Events until the caller goes; after `exitAfter` of them the process ends instead."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        count = 0
        try:
            while count != wish.get("exitAfter"):
                event = b"data: %d\n\n" % count
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                self.wfile.flush()
                count += 1
                time.sleep(0.02)
        except OSError:
            print("the caller is gone", flush=True)
            return
        os._exit(4)

    def do_spawn(self, wish, body):
        """A child of the agent, which knows nothing of signals sent to the agent."""
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(60)
        self.answer(200, {"child": child})


if "EXIT_AT_START" in os.environ:
    print("cannot start", file=sys.stderr, flush=True)
    sys.exit(7)
# Blocked in every thread and waited for in this one: none can be lost, whenever it comes.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
server = ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Agent)
server.daemon_threads = True
print("listening", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    signal.sigwait({signal.SIGTERM})
    print("terminated", flush=True)
    if "STUBBORN" not in os.environ:
        os._exit(0)
