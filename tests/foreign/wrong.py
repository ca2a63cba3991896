"""A program that plays its role wrongly, in the way that its first argument names."""

import os
import socket
import subprocess
import sys
import threading

HOST, PORT = os.environ["LISTEN"].rsplit(":", 1)
MANNER = sys.argv[1]
REPLIES = {
    "garbage": b"HELLO stranger\r\n\x00\x01",
    "not-found": b"HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\n\r\nnothing here",
    "broken": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 9\r\n\r\nTraceback",
    "no-login": b"-NOAUTH Authentication required.\r\n",
    "accepts": b"",
}


def datagrams(server):
    while True:
        query, sender = server.recvfrom(2048)
        if MANNER == "garbage":
            server.sendto(REPLIES[MANNER], sender)
        elif MANNER == "refuses":
            # A response with RCODE 5 (RFC 1035 §4.1.1).
            server.sendto(query[:2] + b"\x80\x05" + query[4:], sender)


def serve(connection):
    while request := connection.recv(65536):
        if MANNER == "closes":
            break
        if MANNER == "reads-only":
            works = request.startswith(b"GET")
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}" if works else REPLIES["broken"])
        connection.sendall(REPLIES.get(MANNER, b""))
        if MANNER == "garbage":
            break
    connection.close()


def main():
    print(f"I am {MANNER}", flush=True)
    if MANNER == "flood":
        for number in range(30_000):
            print(f"noise {number} " + "x" * 100, file=sys.stderr)
        sys.exit("and that was all")
    if MANNER == "background" and os.fork():
        os._exit(0)
    if MANNER == "background":
        os.setsid()
    if MANNER == "forgetful":
        # The shell between the two ends at once.
        subprocess.run(["sh", "-c", "setsid sleep 1000 &"], check=True)
    port = int(PORT) + 7 if MANNER == "astray" else int(PORT)
    listener = socket.create_server((HOST, port), backlog=64)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((HOST, port))
    threading.Thread(target=datagrams, args=(server,), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
