"""A pod of the cart service in Python's standard library: it passes the trace context on, and reports nothing.

With OPENTELEMETRY=1 it reports SERVER and CLIENT spans, as the stock SDK makes and sends them; with
OPENTELEMETRY=server its SERVER span alone, whose context it passes on.

It puts the event into the cart's outbox, together with the cart's line; a pod of another kind publishes it.
"""

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

INVENTORY = urlsplit(os.environ["INVENTORY_URL"])
REDIS = urlsplit(os.environ["REDIS_URL"])
LOCAL = threading.local()


def tracing():
    """What wraps a piece of work in a span: nothing, or OpenTelemetry's SDK."""
    mode = os.environ.get("OPENTELEMETRY")
    if not mode:
        return lambda name, kind, headers: contextlib.nullcontext(dict(headers))
    from opentelemetry import propagate, trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("cart")

    @contextlib.contextmanager
    def span(name, kind, headers):
        onward = {}
        if kind == "client" and mode == "server":
            propagate.inject(onward)
            yield onward
            return
        parent = propagate.extract(headers) if kind == "server" else None
        which = trace.SpanKind.SERVER if kind == "server" else trace.SpanKind.CLIENT
        with tracer.start_as_current_span(name, context=parent, kind=which):
            propagate.inject(onward)
            yield onward

    return span


SPAN = tracing()


def inventory(method, path, body, context):
    """One request to the inventory, on this thread's connection."""
    if not hasattr(LOCAL, "inventory"):
        LOCAL.inventory = http.client.HTTPConnection(INVENTORY.hostname, INVENTORY.port, timeout=5)
        LOCAL.inventory.connect()
        LOCAL.inventory.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with SPAN(method, "client", context) as onward:
        headers = {"content-type": "application/json"}
        if "traceparent" in onward:
            headers["traceparent"] = onward["traceparent"]
        try:
            LOCAL.inventory.request(method, path, json.dumps(body), headers)
            response = LOCAL.inventory.getresponse()
            return response.status, response.read()
        except OSError:
            del LOCAL.inventory
            raise


def redis(*commands):
    """Some commands in one write; their replies."""
    if not hasattr(LOCAL, "redis"):
        LOCAL.redis = socket.create_connection((REDIS.hostname, REDIS.port), timeout=5)
        LOCAL.redis.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        LOCAL.replies = LOCAL.redis.makefile("rb")
    out = b""
    for words in commands:
        out += b"*%d\r\n" % len(words)
        for word in words:
            word = str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
    with SPAN(commands[-1][0], "client", {}):
        LOCAL.redis.sendall(out)
        return [reply(LOCAL.replies) for _ in commands]


def reply(file):
    line = file.readline().rstrip(b"\r\n")
    kind, rest = line[:1], line[1:]
    if kind == b"$":
        return None if rest == b"-1" else file.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return None if rest == b"-1" else [reply(file) for _ in range(int(rest))]
    if kind == b"-":
        raise OSError(rest.decode())
    return int(rest) if kind == b":" else rest.decode()


class Pod(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # One write for the head and the body.
    wbufsize = -1

    def say(self, status, body, **headers):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json" if status < 400 else "application/problem+json")
        self.send_header("content-length", len(text))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def customer(self):
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            # The lab's own pods check the signature; this one is behind them in nothing but time.
            claims = token.split(".")[1]
            return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
        except (IndexError, KeyError, ValueError):
            return None

    def handle_request(self, work):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        with SPAN(self.command, "server", dict(self.headers.items())) as context:
            customer = self.customer()
            if customer is None:
                return self.say(401, {"title": "a bearer token is needed", "status": 401})
            try:
                work(customer, body, context)
            except OSError as error:
                self.say(502, {"title": str(error), "status": 502})

    def do_GET(self):
        def cart(customer, _, context):
            (lines,) = redis(("HGETALL", f"cart:{customer}"))
            pairs = zip(lines[::2], lines[1::2])
            items = [{"itemId": item(product), "productId": product, "quantity": int(n)} for product, n in pairs]
            self.say(200, {"cartId": f"CART-{customer}", "items": items})

        self.handle_request(cart)

    def do_POST(self):
        self.handle_request(self.add_item)

    def add_item(self, customer, body, context):
        try:
            wanted = json.loads(body)
            product, quantity = wanted["productId"], int(wanted["quantity"])
        except (KeyError, TypeError, ValueError):
            return self.say(400, {"title": "not an item", "status": 400})
        reservation = uuid.uuid4().hex
        status, said = inventory(
            "POST", f"/stock/{product}/reservations", {"reservationId": reservation, "quantity": quantity}, context
        )
        if status not in (200, 201):
            return self.say(status, json.loads(said))
        event = {
            "type": "item-added", "eventId": uuid.uuid4().hex, "cartId": f"CART-{customer}", "itemId": item(product),
            "productId": product, "quantity": quantity, "at": int(time.time() * 1000),
        }
        traceparent = context.get("traceparent", self.headers.get("traceparent", ""))
        redis(
            ("MULTI",),
            ("SET", f"reservation:{reservation}", "kept"),
            ("HINCRBY", f"cart:{customer}", product, quantity),
            ("HSET", "outboxes", customer, "1"),
            ("XADD", f"outbox:{customer}", "*", "event", json.dumps(event), "traceparent", traceparent),
            ("EXEC",),
        )
        made = {"cartId": f"CART-{customer}", "itemId": item(product), "productId": product}
        self.say(201, made, location=f"/cart/items/{item(product)}")

    def log_message(self, *_):
        pass


def item(product):
    return product.replace("PROD-", "ITEM-")


if __name__ == "__main__":
    host, port = os.environ["LISTEN"].rsplit(":", 1)
    ThreadingHTTPServer.request_queue_size = 128
    server = ThreadingHTTPServer((host, int(port)), Pod)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    sys.exit(0)
