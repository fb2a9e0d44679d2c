"""The WebSocket of the tests' agent: echoes frames as they come, and does as a JSON text says."""

import base64
import hashlib
import json
import os
import struct


def frame(opcode, payload, fin=0x80):
    if len(payload) < 126:
        head = bytes([fin | opcode, len(payload)])
    elif len(payload) < 1 << 16:
        head = bytes([fin | opcode, 126]) + struct.pack(">H", len(payload))
    else:
        head = bytes([fin | opcode, 127]) + struct.pack(">Q", len(payload))
    return head + payload


def read(file):
    first, second = file.read(2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", file.read(2))
    elif length == 127:
        (length,) = struct.unpack(">Q", file.read(8))
    mask = file.read(4) if second & 0x80 else None
    payload = file.read(length)
    if mask is None:
        print("a frame came without a mask", flush=True)
        return first & 0x80, first & 0x0F, payload
    whole = (mask * (length // 4 + 1))[:length]
    unmasked = int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
    return first & 0x80, first & 0x0F, unmasked.to_bytes(length, "big")


def serve(handler):
    key = handler.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    handler.send_response(101)
    for name, value in [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]:
        handler.send_header(name, value)
    offered = handler.headers.get("Sec-WebSocket-Protocol")
    if offered:
        handler.send_header("Sec-WebSocket-Protocol", offered.split(",")[0].strip())
    handler.end_headers()
    handler.close_connection = True
    try:
        while talk(handler):
            pass
    except (OSError, ValueError):
        print("the socket broke off", flush=True)


def talk(handler):
    fin, opcode, payload = read(handler.rfile)
    if not fin:
        print("a fragment of", len(payload), "bytes", flush=True)
    send = lambda *args: (handler.wfile.write(frame(*args)), handler.wfile.flush())
    if opcode == 8:
        code = struct.unpack(">H", payload[:2])[0] if payload else None
        print("closed", code, payload[2:].decode(), flush=True)
        send(8, payload)
        return False
    if opcode == 9:
        send(10, payload)
    elif opcode == 10:
        print("pong", payload.decode(), flush=True)
    elif opcode == 1 and payload[:1] == b"{":
        wish = json.loads(payload)
        if wish["do"] == "tell":
            headers = {name.lower(): value for name, value in handler.headers.items()}
            told = {"pid": os.getpid(), "path": handler.path, "headers": headers}
            send(1, json.dumps(told).encode())
        elif wish["do"] == "send":
            send(2, bytes(wish["bytes"]))
        elif wish["do"] == "ping":
            send(9, b"anyone?")
        elif wish["do"] == "close":
            send(8, struct.pack(">H", wish["code"]) + wish["reason"].encode())
        elif wish["do"] == "exit":
            os._exit(5)
    else:
        send(opcode, payload, fin)
    return True
