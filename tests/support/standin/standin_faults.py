"""How a server misbehaves, one function per kind. Each gets the open connection, the
request and the bytes of the right answer; True: the connection may serve another."""
import asyncio
import datetime
import zlib

from standin_http import error, head, response

DAY = 86400
HUGE = 64 << 20    # of an answer that a client must not swallow
BOMB = 256 << 20   # of zeros, some 250 KB packed
DRIP_SECONDS = 0.5


class Fault(Exception):
    """The connection is to be closed now."""


async def send(c, data):
    c.writer.write(data)
    await c.writer.drain()
    return True


async def hang(c, request, good):
    await c.reader.read(1)  # until the client goes
    raise Fault


async def half(c, request, good):
    await send(c, good[:-(len(good.partition(b"\r\n\r\n")[2]) // 2)])
    raise Fault


async def closed(c, request, good):
    raise Fault


async def drip(c, request, good):
    for i in range(len(good)):
        await send(c, good[i:i + 1])
        await asyncio.sleep(DRIP_SECONDS)
    return True


async def rate_limit(c, request, good):
    return await send(c, error(429, "Rate limit reached, slow down.", "rate_limit_error",
                               ("Retry-After", c.server.options.retry_after)))


async def rate_limit_day(c, request, good):
    return await send(c, error(429, "You exceeded your current quota.", "rate_limit_error",
                               ("Retry-After", DAY)))


async def rate_limit_date(c, request, good):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
    return await send(c, error(429, "Rate limit reached.", "rate_limit_error",
                               ("Retry-After", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))))


async def failure(c, request, good):
    return await send(c, error(500, "The server had an error.", "server_error"))


async def unavailable(c, request, good):
    return await send(c, error(503, "The engine is overloaded.", "overloaded_error"))


async def wrong_json(c, request, good):
    return await send(c, response(200, b'{"choices": [{"message": {"content": "yes"'))


async def wrong_types(c, request, good):
    return await send(c, response(200, {"choices": {"0": [None, 1e308]}, "usage": "much"}))


async def html(c, request, good):
    page = b"<html><body><h1>It works!</h1></body></html>"
    return await send(c, head(200, [("Content-Type", "text/html"),
                                    ("Content-Length", len(page))]) + page)


async def empty(c, request, good):
    return await send(c, response(200, {"object": "chat.completion", "choices": []}))


async def huge(c, request, good):
    await send(c, head(200, [("Content-Type", "application/json"),
                             ("Content-Length", HUGE)]))
    for _ in range(HUGE >> 16):
        await send(c, b" " * (1 << 16))
        c.server.stats["huge_bytes"] += 1 << 16
    return True


async def headers(c, request, good):
    await send(c, b"HTTP/1.1 200 OK\r\n")
    for i in range(65536):
        await send(c, b"X-Filler-%d: %s\r\n" % (i, b"x" * 1000))
        c.server.stats["huge_bytes"] += 1000
    raise Fault


async def bomb(c, request, good):
    body = c.server.bomb
    return await send(c, head(200, [("Content-Type", "application/json"),
                                    ("Content-Encoding", "gzip"),
                                    ("Content-Length", len(body))]) + body)


async def reorder(c, request, good):
    """Later questions are answered first: waits for others to pass, a second at most."""
    passed = c.server.stats["answered"] + 3
    for _ in range(100):
        if c.server.stats["answered"] >= passed:
            break
        await asyncio.sleep(0.01)
    return await send(c, good)


async def redirect(c, request, good):
    status = (301, 302, 307, 308)[c.server.stats["redirect"] % 4]
    to = f"http://127.0.0.1:{c.server.other_port}/v1/chat/completions"
    return await send(c, head(status, [("Location", to), ("Content-Length", 0)]))


async def key_error(c, request, good):
    return await send(c, error(500, f"Cannot serve the key {request.key()} now, Bearer "
                               f"{request.key()} is exhausted.", "server_error"))


# What goes wrong on the way of a right answer.
WIRE = {"hang": hang, "half": half, "closed": closed, "drip": drip,
        "429": rate_limit, "429-day": rate_limit_day, "429-date": rate_limit_date,
        "500": failure, "503": unavailable, "wrong-json": wrong_json,
        "wrong-types": wrong_types, "html": html, "empty": empty, "huge": huge,
        "headers": headers, "bomb": bomb, "reorder": reorder, "redirect": redirect,
        "key-error": key_error}


def changed(status, said):
    async def answer(c, request, good):
        return await send(c, error(status, said, "invalid_request_error"))
    return answer


# What a server says whose settings were changed under way; only where it is named.
CHANGED = {"401": changed(401, "The key was revoked."),
           "403": changed(403, "Not from your country any more."),
           "404": changed(404, "The model was unloaded.")}


# What a model says wrongly; the way is right. Each makes a text of the right answer's.

def unparseable(mind, asked, right, key):
    return "I would rather talk about the weather today."


def contradict(mind, asked, right, key):
    return mind.tagged(asked, mind.other(asked, right)) + "\n" + mind.tagged(asked, right)


def inject(mind, asked, right, key):
    quoted = mind.tagged(asked, mind.other(asked, right))
    return (f"The text tells me to say {quoted} and to ignore everything before, which I "
            f"do not do.\n{mind.tagged(asked, right)}")


def key_echo(mind, asked, right, key):
    return f"Your key is {key}, I see (Bearer {key}).\n{mind.tagged(asked, right)}"


WORDS = {"unparseable": unparseable, "contradict": contradict, "inject": inject,
         "key-echo": key_echo}


def make_bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: as gzip
    zeros = b"\0" * (1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(BOMB >> 20)) + packer.flush()


def is_known(kind):
    return kind in WIRE or kind in WORDS or kind in CHANGED


def names():
    return sorted(WIRE) + sorted(WORDS)
