#!/usr/bin/python3
"""A stand-in for a language model's server: speaks OpenAI's protocol over HTTP/1.1 (and
TLS), sees only the request, and answers as the goal's rule file would, after realistic
latencies and with whatever misbehaviour is wanted. No model runs behind it.

    standin.py --goals=judge/goals --family=crypt --state=FILE [options]

--state is rewritten soon after each change, and at once on SIGUSR1 (`told` counts those),
with the ports and counts as one flat JSON object;
--log gets a line for each request. Both tell whether the right key came, never the key.
--when="TEXT=KIND*N" misbehaves the first N times (without *N: always) that a caption with
TEXT in it comes, and may be given often; --sequence=429,ok,500 request by request, and well
after its end; --misbehave is the share of the other requests that misbehave, in one of
--kinds each. Chance depends on --seed, the request's bytes and how often the same bytes
came, not on their order.
"""
import argparse
import asyncio
import hashlib
import json
import math
import os
import random
import signal
import ssl
import subprocess
import sys
import time

import standin_faults as faults
from standin_http import error, read_request, response
from standin_mind import Mind, Unreadable

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
GOALS = os.path.join(TOP, "judge", "goals")
TAIL = 3.0902  # the 99.9 % quantile of a standard normal: where --tail lies
COUNTS = ("told", "requests", "answered", "connections", "in_flight", "in_flight_peak",
          "key_right",
          "key_missing", "key_wrong", "proxied", "unreadable", "gone", "models", "chat",
          "completions", "schema", "choice", "compressed_wanted", "other_connections",
          "huge_bytes", "tokens_in", "tokens_out", "follow_ups", "refused_structured")


class Connection:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer


class Server:
    def __init__(self, options):
        self.options = options
        self.mind = Mind(options.goals, options.family)
        self.stats = dict.fromkeys(COUNTS, 0)
        self.stats.update((kind, 0) for kind in [*faults.names(), *faults.CHANGED])
        self.sequence = [k for k in options.sequence.split(",") if k]
        self.kinds = [k for k in options.kinds.split(",") if k]
        self.whens = [self.parse_when(text) for text in options.when]
        used = self.sequence + self.kinds + [when[1] for when in self.whens]
        for kind in used:
            if kind != "ok" and not faults.is_known(kind):
                sys.exit(f"standin.py: {kind} is no misbehaviour; there are ok, "
                         + ", ".join([*faults.names(), *faults.CHANGED]))
        self.bomb = faults.make_bomb() if "bomb" in used else b""
        self.places = asyncio.Semaphore(options.parallel)
        self.seen = {}  # digest of a request -> how often it came
        self.began, self.cpu_began = time.monotonic(), time.process_time()
        self.log = open(options.log, "a", buffering=1) if options.log else None
        self.port = self.other_port = 0
        self.dirty = True

    @staticmethod
    def parse_when(text):
        word, _, kind = text.rpartition("=")
        kind, _, times = kind.partition("*")
        return [word.encode("latin-1"), kind, int(times) if times else 1 << 30]

    # ---- what is told outside ----

    def tell(self):
        if not self.dirty:
            return
        self.dirty = False
        state = dict(self.stats, port=self.port, other_port=self.other_port,
                     pid=os.getpid(), seconds=round(time.monotonic() - self.began, 3),
                     cpu_seconds=round(time.process_time() - self.cpu_began, 3))
        with open(self.options.state + ".new", "w") as f:
            json.dump(state, f)
        os.replace(self.options.state + ".new", self.options.state)

    def tell_now(self):
        """On SIGUSR1: whoever asks waits until `told` has grown."""
        self.count("told")
        self.tell()

    async def tell_often(self):
        while True:
            self.tell()
            await asyncio.sleep(self.options.tell)

    def count(self, name, n=1):
        self.stats[name] += n
        self.dirty = True

    # ---- chance ----

    def chance_of(self, request):
        digest = hashlib.sha256(request.body).digest()
        nth = self.seen[digest] = self.seen.get(digest, 0) + 1
        return random.Random(f"{self.options.seed} {digest.hex()} {nth}")

    def misbehaviour(self, chance, n, captions):
        for when in self.whens:
            if when[2] > 0 and any(when[0] in c for c in captions):
                when[2] -= 1
                return when[1]
        if n < len(self.sequence):
            return self.sequence[n]
        if self.kinds and chance.random() < self.options.misbehave:
            return chance.choice(self.kinds)
        return "ok"

    def latency(self, chance):
        o = self.options
        if o.median <= 0:
            return 0.0
        sigma = math.log(max(o.tail / o.median, 1)) / TAIL
        return min(o.tail, o.median * math.exp(sigma * chance.gauss(0, 1)))

    # ---- requests ----

    def check_key(self, request):
        """The answer to a request without the right key, or None."""
        if not self.options.key:
            return None
        key = request.key()
        if key == self.options.key:
            self.count("key_right")
            return None
        self.count("key_wrong" if key else "key_missing")
        return error(401, f"Incorrect API key provided: {key}.", "invalid_request_error")

    def models(self):
        self.count("models")
        names = [self.options.model] if self.options.model else ["stand-in"]
        return response(200, {"object": "list", "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": "nobody"}
            for name in names]})

    def refusal(self, asked):
        """What this server does not know, or None."""
        o = self.options
        if o.model and asked.model != o.model:
            return error(404, f"The model {asked.model} does not exist.",
                         "model_not_found")
        for form, how in (("schema", o.schema), ("choice", o.choice)):
            if asked.structured == form and how == "refuse":
                self.count("refused_structured")
                return error(400, f"Unrecognized request argument: {asked.argument}",
                             "invalid_request_error")
            if asked.structured == form and how == "ignore":
                asked.structured = None
        return None

    def answer(self, asked, request, kind):
        """The body of a right answer, with the words of a wrong one where kind says so."""
        o = self.options
        right = self.mind.judge(asked)
        if kind in faults.WORDS:
            text = faults.WORDS[kind](self.mind, asked, right, request.key())
        else:
            text = self.mind.text(asked, right)
        tokens_in, tokens_out = len(request.body) // 4, len(text) // 4 + 1
        self.count("tokens_in", tokens_in)
        self.count("tokens_out", tokens_out)
        choice = {"index": 0, "finish_reason": "stop"}
        if asked.chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        if o.logprobs and asked.logprobs:
            choice["logprobs"] = self.mind.logprobs(asked, right, text)
        body = {"id": f"standin-{self.stats['requests']}", "created": int(time.time()),
                "object": "chat.completion" if asked.chat else "text_completion",
                "model": asked.model, "choices": [choice]}
        if o.usage:
            body["usage"] = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out,
                             "total_tokens": tokens_in + tokens_out}
        return response(200, body)

    async def serve_post(self, c, request, row):
        refused = self.check_key(request)
        number = self.stats["requests"] - 1
        asked = None
        if refused is None:
            try:
                asked = self.mind.read(request.path, request.body)
                row["captions"] = [t.decode("latin-1") for t in asked.captions]
                self.count("chat" if asked.chat else "completions")
                self.count("follow_ups", asked.follow_up)
                refused = self.refusal(asked)
            except Unreadable as why:
                self.count("unreadable")
                row["why"] = str(why)
                refused = error(400, str(why), "invalid_request_error")
        if refused is not None:
            row["kind"] = "refused"
            return await faults.send(c, refused)
        chance = self.chance_of(request)
        kind = row["kind"] = self.misbehaviour(chance, number, asked.captions)
        if asked.structured:
            self.count(asked.structured)
        if kind != "ok":
            self.count(kind)
        async with self.places:
            await asyncio.sleep(self.latency(chance))
            good = self.answer(asked, request, kind)
            send = faults.WIRE.get(kind) or faults.CHANGED.get(kind)
            keep = await (send(c, request, good) if send else faults.send(c, good))
        self.count("answered")
        return keep

    async def serve_request(self, c, request):
        if self.options.not_openai:
            return await faults.html(c, request, b"")
        if request.method == "GET" and request.path == "/v1/models":
            refused = self.check_key(request)
            return await faults.send(c, refused or self.models())
        if request.method != "POST" or request.path not in (
                "/v1/chat/completions", "/v1/completions"):
            return await faults.send(c, error(404, f"Unknown request URL: {request.method} "
                                              f"{request.path}.", "invalid_request_error"))
        self.count("requests")
        self.count("proxied", request.proxied)
        self.count("compressed_wanted", "accept-encoding" in request.headers)
        self.count("in_flight")
        self.stats["in_flight_peak"] = max(self.stats["in_flight_peak"],
                                           self.stats["in_flight"])
        row = {"n": self.stats["requests"], "path": request.path,
               "begin": round(time.monotonic() - self.began, 4)}
        try:
            return await self.serve_post(c, request, row)
        except (OSError, ssl.SSLError):
            self.count("gone")
            row["gone"] = True
            raise faults.Fault from None
        finally:
            self.count("in_flight", -1)
            row["end"] = round(time.monotonic() - self.began, 4)
            if self.log:
                self.log.write(json.dumps(row) + "\n")

    async def serve(self, reader, writer):
        c = Connection(self, reader, writer)
        self.count("connections")
        try:
            keep = True
            while keep:
                request = await read_request(reader)
                if request is None:
                    break
                keep = await self.serve_request(c, request)
        except (faults.Fault, OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def serve_other(self, reader, writer):
        """Where redirects point to: whoever comes here followed one."""
        self.count("other_connections")
        writer.close()

    # ---- starting ----

    async def run(self):
        o = self.options
        context = None
        if o.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(o.tls, o.certificate + ".pem"))
        main = await asyncio.start_server(self.serve, "127.0.0.1", o.port, ssl=context,
                                          limit=1 << 20, backlog=512)
        other = await asyncio.start_server(self.serve_other, "127.0.0.1", 0)
        self.port = main.sockets[0].getsockname()[1]
        self.other_port = other.sockets[0].getsockname()[1]
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.tell_now)
        telling = asyncio.create_task(self.tell_often())
        await stop.wait()
        telling.cancel()
        self.dirty = True
        self.tell()
        os._exit(0)  # whatever still hangs is not waited for


def make_certificates(folder):
    """A CA of our own and what it signed: good.pem for 127.0.0.1 and localhost,
    other-host.pem for somebody else, expired.pem; stranger.pem signed itself."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, cwd=folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    os.makedirs(folder, exist_ok=True)
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
            "-subj", "/CN=minos test CA", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    here = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    for name, days, alt in (("good", "2", here), ("expired", "-1", here),
                            ("other-host", "2", "subjectAltName=DNS:elsewhere.invalid")):
        openssl("req", *new_key, "-keyout", name + ".key", "-out", name + ".csr",
                "-subj", "/CN=" + name)
        with open(os.path.join(folder, name + ".ext"), "w") as f:
            f.write(alt + "\n")
        sign_days = ["-days", days]
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", name + ".crt", "-extfile", name + ".ext",
                *sign_days)
    openssl("req", "-x509", *new_key, "-keyout", "stranger.key", "-out", "stranger.crt",
            "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", here)
    for name in ("good", "expired", "other-host", "stranger"):
        with open(os.path.join(folder, name + ".pem"), "w") as out:
            for part in (".key", ".crt"):
                with open(os.path.join(folder, name + part)) as f:
                    out.write(f.read())


def parse():
    p = argparse.ArgumentParser(description=__doc__, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    add = p.add_argument
    add("--goals", default=GOALS, help="folder of goals; the prompt says which one")
    add("--family", default="crypt", help="it answers by GOAL.FAMILY.rules")
    add("--state", default="", help="file of ports and counts")
    add("--log", default="", help="file of requests, a JSON line each")
    add("--tell", type=float, default=0.02, help="seconds between writings of the state")
    add("--port", type=int, default=0)
    add("--seed", type=int, default=1)
    add("--median", type=float, default=1.0, help="of the latency, seconds; 0 answers at once")
    add("--tail", type=float, default=20.0, help="its 99.9 %% quantile, and its most")
    add("--parallel", type=int, default=1000, help="requests worked on at a time")
    add("--misbehave", type=float, default=0.0, help="share of requests")
    add("--kinds", default=",".join(faults.names()))
    add("--sequence", default="")
    add("--when", action="append", default=[])
    add("--key", default="", help="the API key that must come; empty: any or none")
    add("--model", default="", help="the one model it has; empty: any name")
    add("--schema", choices=("accept", "refuse", "ignore"), default="accept")
    add("--choice", choices=("accept", "refuse", "ignore"), default="accept")
    add("--logprobs", action="store_true", help="gives log-probabilities when asked to")
    add("--no-usage", dest="usage", action="store_false", help="tells no tokens")
    add("--retry-after", type=int, default=1, help="seconds, of the kind 429")
    add("--not-openai", action="store_true", help="answers everything with a web page")
    add("--tls", default="", help="folder of certificates")
    add("--certificate", default="good",
        choices=("good", "expired", "other-host", "stranger"))
    add("--rate", default="", help="rates the captions of a file, hexadecimal, one a line, "
        "by all goals, and ends")
    add("--make-certificates", default="", help="makes such a folder and ends")
    return p.parse_args()


def main():
    options = parse()
    if options.make_certificates:
        make_certificates(options.make_certificates)
        return
    if options.rate:
        with open(options.rate) as f:
            captions = [bytes.fromhex(line) for line in f]
        print("\n".join(Mind(options.goals, options.family).rate_all(captions)))
        return
    if not options.state:
        sys.exit("standin.py: needs --state=FILE")
    asyncio.run(Server(options).run())


if __name__ == "__main__":
    main()
