"""HTTP/1.1 by hand, so that every misbehaviour on the wire is possible."""
import asyncio
import json
import urllib.parse

HEAD_MOST = 64 << 10
BODY_MOST = 4 << 20
REASONS = {200: "OK", 301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect",
           400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 413: "Payload Too Large",
           429: "Too Many Requests", 500: "Internal Server Error",
           503: "Service Unavailable"}


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.headers = headers
        self.body = body
        url = urllib.parse.urlsplit(target)
        self.proxied = bool(url.netloc)  # absolute form: the client takes us for a proxy
        self.path = url.path

    def key(self):
        """The API key that came, or ''."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""


async def read_request(reader):
    """The next request of a connection, or None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3:
        return None
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    body = await read_body(reader, headers)
    return None if body is None else Request(words[0], words[1], headers, body)


async def read_body(reader, headers):
    if headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while True:
            size = int((await reader.readline()).split(b";")[0] or b"0", 16)
            part = await reader.readexactly(size + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(part[:-2])
    length = int(headers.get("content-length", "0"))
    if length > BODY_MOST:
        return None
    return await reader.readexactly(length)


def head(status, headers):
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def response(status, body, *more):
    """A whole answer; body is an object, sent as JSON, or bytes."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", len(body)), *more]
    return head(status, headers) + body


def error(status, text, kind, *more):
    """An error as OpenAI's servers write it."""
    return response(status, {"error": {"message": text, "type": kind, "param": None,
                                       "code": status}}, *more)
