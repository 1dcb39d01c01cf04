#!/usr/bin/python3
"""A judge of one's own in Python, written from schemas/README.md alone.

    judge_example.py [--learner=tcp://127.0.0.1:7340 | --run-dir=DIR] [WORD ...]

Rates a caption 1 when it holds one of the words, else 0. Copy it and change rate().
minos train --judge=PATH starts it with --run-dir=DIR --id=N; a bare address does too.
Needs Debian's python3-zmq, python3-flatbuffers and flatbuffers-compiler.
"""
import glob, hashlib, os, signal, socket, struct, subprocess, sys, tempfile, time
import flatbuffers, zmq

HEADER = struct.Struct("<4sBBHQIIQ")  # magic, protocol, kind, 0, run, number, incarnation, seq
BEAT, GOODBYE, REFUSE, WHO, STOP = 4, 5, 7, 10, 11
JUDGE_HELLO, VERDICTS, JUDGE_WELCOME, QUESTIONS, VERDICT_ACK = 20, 21, 22, 23, 24

here = os.path.dirname(os.path.abspath(__file__))
schemas = os.environ.get("MINOS_SCHEMAS", os.path.join(here, "..", "..", "schemas"))
generated = tempfile.TemporaryDirectory(prefix="minos-judge-")
subprocess.run(["flatc", "--python", "-o", generated.name]
               + sorted(glob.glob(os.path.join(schemas, "*.fbs"))), check=True)
sys.path.insert(0, generated.name)
from minos.wire import (Hash, JudgeHello, JudgeWelcome, QuestionKind, Questions, Refuse,
                        Verdict, VerdictAck, VerdictKind, Verdicts)

learner, words = "tcp://127.0.0.1:7340", []
for arg in sys.argv[1:]:
    name, _, value = arg.partition("=")
    if name == "--run-dir":  # rank 0 leaves its address there
        with open(os.path.join(value, "address")) as address:
            learner = address.read().strip()
    elif name == "--learner":
        learner = value
    elif arg.startswith("tcp://"):
        learner = arg
    elif not arg.startswith("--"):
        words.append(arg.lower())
    elif name != "--id":  # which of several judges: all judge alike
        print(arg, "is no option; there are --run-dir=DIR and --learner=tcp://HOST:PORT",
              file=sys.stderr)
        sys.exit(2)
words = words or ["gold", "treasure", "key", "chest", "vault"]
prompt = struct.unpack("<QQ", hashlib.md5(" ".join(words).encode()).digest())
nonce = int.from_bytes(os.urandom(8), "little")


def rate(text):
    return 1.0 if any(w in text.lower() for w in words) else 0.0


def table(b, module, **fields):
    module.Start(b)
    for name, value in fields.items():  # a callable makes a struct, which lies inside
        getattr(module, "Add" + name)(b, value(b) if callable(value) else value)
    return module.End(b)


class Judge:
    run = number = incarnation = 0  # as the welcome says
    joined, heard, sent, hello_at = False, 0.0, 0.0, 0.0

    def __init__(self):
        self.socket = zmq.Context().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.ROUTING_ID, b"j-%d-%x" % (os.getpid(), nonce))
        self.socket.setsockopt(zmq.LINGER, 500)
        self.socket.connect(learner)
        self.kept = {}  # question id -> (label, time sent), until acknowledged

    def send(self, kind, builder=None, root=None):
        body = b""
        if builder:
            builder.Finish(root)
            body = bytes(builder.Output())
        self.socket.send(HEADER.pack(b"MINO", 1, kind, 0, self.run, self.number,
                                     self.incarnation, 0) + body)
        self.sent = time.monotonic()

    def hello(self):
        b = flatbuffers.Builder(256)
        name, host = b.CreateString("words"), b.CreateString(socket.gethostname())
        self.send(JUDGE_HELLO, b, table(
            b, JudgeHello, Name=name, PromptDigest=lambda b: Hash.CreateHash(b, *prompt),
            CanRate=True, DeadlineMs=5000, Credits=64, Host=host, Pid=os.getpid(),
            Nonce=nonce))

    def send_verdicts(self, ids):
        b = flatbuffers.Builder(4096)
        made = [table(b, Verdict, Question=i, Kind=VerdictKind.VerdictKind.Label,
                      Label=self.kept[i][0]) if self.kept[i][0] is not None else
                table(b, Verdict, Question=i, Kind=VerdictKind.VerdictKind.Refused)
                for i in ids]
        Verdicts.StartVerdictVector(b, len(made))
        for offset in reversed(made):
            b.PrependUOffsetTRelative(offset)
        self.send(VERDICTS, b, table(b, Verdicts, Verdict=b.EndVector()))
        for i in ids:
            self.kept[i] = (self.kept[i][0], time.monotonic())

    def take(self, frame):
        magic, protocol, kind, _, run, number, incarnation, _ = HEADER.unpack(frame[:32])
        if magic != b"MINO" or protocol != 1:
            return
        body, self.heard = frame[32:], time.monotonic()
        if kind == JUDGE_WELCOME:
            if run != self.run:
                self.kept.clear()  # questions of another run
            self.run, self.number, self.incarnation = run, number, incarnation
            self.joined = True
            goal = JudgeWelcome.JudgeWelcome.GetRootAs(body).Goal().decode()
            print("judging goal", goal, "with", words, file=sys.stderr, flush=True)
        elif kind == QUESTIONS:
            questions = Questions.Questions.GetRootAs(body)
            for q in map(questions.Question, range(questions.QuestionLength())):
                text = bytes(map(q.Caption(0).Text, range(q.Caption(0).TextLength())))
                can = q.Kind() == QuestionKind.QuestionKind.Rate
                self.kept[q.Id()] = (rate(text.decode("latin-1")) if can else None, 0.0)
        elif kind == VERDICT_ACK:
            acks = VerdictAck.VerdictAck.GetRootAs(body)
            for i in range(acks.QuestionLength()):
                self.kept.pop(acks.Question(i), None)
        elif kind == REFUSE:
            refuse = Refuse.Refuse.GetRootAs(body)
            print("refused:", refuse.Reason().decode(), file=sys.stderr)
            if refuse.Final():
                sys.exit(2)
        elif kind == WHO:
            self.joined, self.hello_at = False, 0.0
        elif kind == STOP:
            raise KeyboardInterrupt

    def step(self):
        if self.socket.poll(100):
            self.take(self.socket.recv())
        now = time.monotonic()
        if self.joined and now - self.heard > 3:
            self.joined = False  # ask rank 0 again; what was answered is kept
        if not self.joined and now >= self.hello_at:
            self.hello_at = now + 1
            self.hello()
        due = [i for i, (_, at) in self.kept.items() if now - at > 2]
        if self.joined and due:
            self.send_verdicts(due[:64])
        elif self.joined and now - self.sent >= 1:
            self.send(BEAT)


signal.signal(signal.SIGTERM, signal.default_int_handler)
judge = Judge()
try:
    while True:
        judge.step()
except KeyboardInterrupt:
    judge.send(GOODBYE)
