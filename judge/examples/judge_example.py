#!/usr/bin/python3
"""A judge of one's own, written from schemas/README.md alone: judge_example.py
--learner=tcp://HOST:PORT | --run-dir=DIR. Copy it and change rate().
Needs Debian's python3-zmq, python3-flatbuffers and flatbuffers-compiler, and minos' schemas:
beside the copy, where MINOS_SCHEMAS says, or with the minos that PATH finds."""
import glob, hashlib, os, shutil, signal, socket, struct, subprocess, sys, tempfile, time, traceback
import flatbuffers, zmq

HEADER = struct.Struct("<4sBBHQIIQ")  # magic, protocol, kind, 0, run, number, incarnation, seq
BEAT, GOODBYE, REFUSE, WHO, STOP = 4, 5, 7, 10, 11
HELLO, VERDICTS, WELCOME, QUESTIONS, ACK = 20, 21, 22, 23, 24
RATE, LABEL, REFUSED = 1, 1, 6  # a QuestionKind, two VerdictKinds

here = os.path.dirname(os.path.abspath(__file__))
minos = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("minos") or here + "/-/-")))
places = [os.environ.get("MINOS_SCHEMAS", ""), here + "/../../schemas", here + "/schemas",
          minos + "/share/minos/schemas"]
schemas = next((f for f in (glob.glob(p + "/*.fbs") for p in places if p) if f), None)
if not schemas: sys.exit("judge_example.py: set MINOS_SCHEMAS: no schemas in " +
                         ", ".join(filter(None, places)))
with tempfile.TemporaryDirectory() as made:
    subprocess.run(["flatc", "--python", "--gen-object-api", "-o", made, *schemas], check=True)
    sys.path.insert(0, made)
    from minos.wire import (Hash, JudgeHello, JudgeWelcome, Questions, Refuse, Verdict,
                            VerdictAck, Verdicts)
TABLES = {WELCOME: JudgeWelcome.JudgeWelcomeT, QUESTIONS: Questions.QuestionsT,
          ACK: VerdictAck.VerdictAckT, REFUSE: Refuse.RefuseT}
WORDS = ["gold", "treasure", "key", "chest", "vault"]

def rate(text):
    return float(any(word in text.lower() for word in WORDS))

options = dict(arg[2:].partition("=")[::2] for arg in sys.argv[1:])
learner = options.get("learner") or os.environ.get("MINOS_ENDPOINT")
if options.get("run-dir") and not learner:
    try:
        learner = open(options["run-dir"] + "/address").read().strip()
    except OSError as missing:
        sys.exit(f"judge_example.py: --run-dir: no run has an address there: {missing}")
if not learner:
    print("judge_example.py: needs --learner=tcp://HOST:PORT or --run-dir=DIR", file=sys.stderr)
    sys.exit(2)
me, kept = (0, 0, 0), {}  # run, number, incarnation; question id -> [verdict, time sent]
joined, heard, sent, hello_at = False, 0, 0, 0
hello, digest = JudgeHello.JudgeHelloT(), Hash.HashT()
digest.lo, digest.hi = struct.unpack("<QQ", hashlib.md5(str(WORDS).encode()).digest())
hello.name, hello.host, hello.pid = "words", socket.gethostname(), os.getpid()
hello.promptDigest, hello.nonce = digest, int.from_bytes(os.urandom(8), "little")
hello.canRate, hello.deadlineMs, hello.credits = True, 5000, 64
dealer = zmq.Context().socket(zmq.DEALER)
dealer.setsockopt(zmq.ROUTING_ID, b"j-%d-%x" % (hello.pid, hello.nonce))
dealer.setsockopt(zmq.LINGER, 500)
dealer.connect(learner)

def send(kind, table=None):
    global sent
    b, sent = flatbuffers.Builder(1024), time.monotonic()
    if table: b.Finish(table.Pack(b))
    dealer.send(HEADER.pack(b"MINO", 1, kind, 0, *me, 0) + (bytes(b.Output()) if table else b""))

def answer(q):
    v, text = Verdict.VerdictT(), q.caption[0].text  # text: None where it is empty
    v.question, v.kind, v.captions = q.id, REFUSED, len(q.caption)
    if q.kind == RATE:
        text = "" if text is None else bytes(text).decode("latin-1")
        try: v.kind, v.label = LABEL, rate(text)
        except Exception:  # a fault of rate() is no label, and is seen
            v.kind = REFUSED
            print("rate() failed on", repr(text), file=sys.stderr)
            traceback.print_exc()
    kept[q.id] = [v, 0]

def take(frame):
    global me, joined, heard, hello_at
    magic, protocol, kind, _, run, number, incarnation, _ = HEADER.unpack(frame[:32])
    if (magic, protocol) != (b"MINO", 1) or kind in (QUESTIONS, ACK, STOP) and run != me[0]: return
    m = None
    if kind in TABLES:  # the body begins with the place of its table
        m = TABLES[kind].InitFromBuf(frame, 32 + struct.unpack_from("<I", frame, 32)[0])
        if m.version != 1: return
    heard = time.monotonic()
    if kind == WELCOME and m.goal:
        if run != me[0]: kept.clear()  # questions of another run
        me, joined = (run, number, incarnation), True
        for k in kept.values(): k[1] = 0
    elif kind == QUESTIONS:
        for q in m.question: answer(q)
    elif kind == ACK:
        for question in m.question: kept.pop(question, None)
    elif kind == WHO: joined, hello_at = False, 0
    elif kind == REFUSE and m.final: sys.exit(2)
    elif kind == STOP: raise KeyboardInterrupt

signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    while True:
        try:
            if dealer.poll(100): take(dealer.recv())
        except Exception as broken:  # Python's readers check nothing by themselves
            print("dropped a frame:", repr(broken), file=sys.stderr)
        now = time.monotonic()
        joined = joined and now - heard <= 3
        due, m = [k for k in kept.values() if now - k[1] > 2][:64], Verdicts.VerdictsT()
        if not joined and now >= hello_at:
            hello_at = now + 1
            send(HELLO, hello)
        elif joined and due:
            m.verdict = [k[0] for k in due]
            for k in due: k[1] = now
            send(VERDICTS, m)
        elif joined and now - sent >= 1:
            send(BEAT)
except KeyboardInterrupt:
    send(GOODBYE)
