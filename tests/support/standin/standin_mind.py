"""What the stand-in thinks: it reads the captions out of a prompt (judge/prompts/README.md
has the delimiters and escapes), rates them by a goal's rule file, and says so in the form
that was asked for."""
import glob
import json
import math
import os
import re

CLASSES = {"alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z",
           "lower": "a-z", "space": " \\t\\n\\r\\f\\v", "blank": " \\t",
           "punct": "!-/:-@\\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": "\\x00-\\x1f\\x7f",
           "graph": "!-~", "print": " -~"}
REMINDER = "Your answer could not be read."
SURE = 0.97  # of the answer, where log-probabilities are asked for


class Unreadable(Exception):
    """Not a question of ours; why."""


# ---- rules ----

def bracket(pattern, at):
    """A POSIX bracket expression from pattern[at] == '[' on, as Python's; and its end."""
    end = at + 1
    out = "["
    if pattern[end:end + 1] == "^":
        out += "^"
        end += 1
    first = True
    while first or pattern[end] != "]":
        first = False
        named = re.match(r"\[:([a-z]+):\]", pattern[end:])
        if named:
            out += CLASSES[named[1]]
            end += named.end()
        else:  # a backslash means itself here
            out += "\\" + pattern[end] if pattern[end] in "\\[]^&~|" else pattern[end]
            end += 1
    return out + "]", end + 1


def from_posix(pattern):
    """A POSIX extended regular expression as one of Python's over bytes."""
    out, at = "", 0
    while at < len(pattern):
        c = pattern[at]
        if c == "[":
            part, at = bracket(pattern, at)
            out += part
        elif c == "\\":
            n = pattern[at + 1]
            out += {"<": r"\b(?=\w)", ">": r"\b(?<=\w)"}.get(n, c + n)
            at += 2
        else:
            out += r"\Z" if c == "$" else c
            at += 1
    return re.compile(out.encode("latin-1"), re.IGNORECASE | re.DOTALL)


def read_rules(path):
    rules = []
    with open(path, "rb") as f:
        for line in f.read().decode("latin-1").split("\n"):
            line = line.removesuffix("\r")
            if line and not line.startswith("#"):
                rules.append((int(line[0]), from_posix(line[2:])))
    return rules


def read_goals(folder, family):
    """{sentence: (name, rules)} of the goals in a folder with rules for a family."""
    goals = {}
    for path in glob.glob(os.path.join(folder, "*.goal")):
        rules = path.removesuffix(".goal") + f".{family}.rules"
        with open(path) as f:
            lines = [line.strip() for line in f]
        sentence = next(line for line in lines if line and not line.startswith("#"))
        if os.path.exists(rules):
            goals[sentence] = os.path.basename(path)[:-5], read_rules(rules)
    return goals


# ---- prompts ----

class Asked:
    """What one request asks."""

    def __init__(self, chat, body):
        self.chat = chat
        self.model = body.get("model", "")
        self.structured = self.argument = self.schema = None
        self.choices = []
        self.logprobs = bool(body.get("logprobs")) or body.get("logprobs") == 0
        self.follow_up = False
        self.captions = []
        self.goal = None
        self.style = "binary"
        self.reasoning = False


def unescape(text):
    """The caption's Latin-1 bytes: UTF-8 text in which \\xHH and \\\\ are escapes."""
    plain = re.sub(r"\\(x[0-9a-fA-F]{2}|\\)",
                   lambda m: "\\" if m[1] == "\\" else chr(int(m[1][1:], 16)), text)
    return plain.encode("latin-1")


def read_captions(text):
    """The last <caption>, or the last <caption-1>, <caption-2>, ...; lines of their own."""
    found = {}
    for m in re.finditer(r"^<caption(?:-(\d+))?>\n(.*?)\n?</caption(?:-\1)?>$", text,
                         re.MULTILINE | re.DOTALL):
        found[int(m[1] or 0)] = m[2]
    numbered = [found[n] for n in sorted(found) if n > 0]
    try:
        return [unescape(t) for t in numbered or [found[0]]]
    except (KeyError, UnicodeEncodeError):
        raise Unreadable("there is no caption in the prompt") from None


def read_structure(asked, body):
    form = body.get("response_format") or {}
    nested = body.get("structured_outputs") or {}
    choice = body.get("guided_choice") or nested.get("choice")
    schema = (form.get("json_schema") or {}).get("schema") or body.get("guided_json") \
        or nested.get("json")
    if choice:
        asked.structured, asked.choices = "choice", choice
        asked.argument = "guided_choice" if "guided_choice" in body else \
            "structured_outputs"
    elif schema:
        asked.structured, asked.schema = "schema", schema
        asked.argument = "response_format" if form else "guided_json"


def read_style(asked, text):
    """By what may be answered: the schema, the choices, else the example in the text."""
    said = json.dumps(asked.schema) if asked.schema else " ".join(asked.choices)
    if not said:
        said = " ".join(re.findall(r"<answer>(.*?)</answer>", text)) or text
    many = len(asked.captions) > 1
    if many:
        asked.style = "pair" if "tie" in said and ">" not in said else "order"
    else:
        graded = '"integer"' in said or re.search(r"\b\d+\b", said)
        asked.style = "graded" if graded and "yes" not in said else "binary"
    asked.reasoning = bool(asked.schema) and "reasoning" in json.dumps(asked.schema)


# ---- the model ----

class Mind:
    def __init__(self, goals, family):
        self.goals = read_goals(goals, family)

    def strength(self, goal, caption):
        return max((s for s, pattern in self.goals[goal][1] if pattern.search(caption)),
                   default=0)

    def rate_all(self, captions):
        """For each goal its name and the strength of each caption, a digit each."""
        return [self.goals[goal][0] + " "
                + "".join(str(self.strength(goal, c)) for c in captions)
                for goal in sorted(self.goals)]

    def read(self, path, raw):
        try:
            body = json.loads(raw)
            chat = path.endswith("/chat/completions")
            if chat:
                said = [m["content"] for m in body["messages"]]
                told = [m["content"] for m in body["messages"] if m["role"] != "assistant"]
                answered = any(m["role"] == "assistant" for m in body["messages"])
            else:
                said = told = [body["prompt"]]
                answered = False
        except (ValueError, KeyError, TypeError) as why:
            raise Unreadable(f"not a request of this protocol: {why}") from None
        asked = Asked(chat, body)
        asked.follow_up = answered or REMINDER in said[-1]
        asked.captions = read_captions("\n".join(said))
        goals = [g for g in re.findall(r"^Goal: (.*)$", "\n".join(told), re.MULTILINE)
                 if g in self.goals]
        if not goals:
            raise Unreadable("there is no goal in the prompt that has a rule file")
        asked.goal = goals[0]
        read_structure(asked, body)
        read_style(asked, "\n".join(told))
        return asked

    def judge(self, asked):
        """The right answer as the word that stands in it."""
        s = [self.strength(asked.goal, c) for c in asked.captions]
        if asked.style == "binary":
            return "yes" if s[0] > 0 else "no"
        if asked.style == "graded":
            return "10" if s[0] > 0 else "0"
        if asked.style == "pair":
            return "tie" if s[0] == s[1] else "1" if s[0] > s[1] else "2"
        levels = [[str(i + 1) for i in range(len(s)) if s[i] == level]
                  for level in sorted(set(s), reverse=True)]
        return " > ".join(" = ".join(level) for level in levels)

    def other(self, asked, word):
        """A wrong one."""
        if asked.style == "order":
            shown = [str(i + 1) for i in range(len(asked.captions))]
            wrong = " > ".join(shown)
            return wrong if wrong != word else " > ".join(reversed(shown))
        return {"yes": "no", "no": "yes", "10": "0", "0": "10", "1": "2", "2": "1",
                "tie": "1"}[word]

    def tagged(self, asked, word):
        """As it was asked for: an object, a bare word, or a tag."""
        if asked.structured == "schema":
            value = int(word) if asked.style == "graded" else word
            reasoned = {"reasoning": "It says what it says."} if asked.reasoning else {}
            return json.dumps({**reasoned, "answer": value})
        return word if asked.structured == "choice" else f"<answer>{word}</answer>"

    def text(self, asked, word):
        if asked.structured or asked.follow_up:
            return self.tagged(asked, word)
        return f"I look for what serves the goal.\n{self.tagged(asked, word)}"

    def logprobs(self, asked, word, text):
        """Three tokens: before the word, the word, after it."""
        at = text.rfind(word)
        tokens = [text[:at], word, text[at + len(word):]]
        tokens = [t for t in tokens if t]
        sure, unsure = math.log(SURE), math.log(1 - SURE)
        top = [{t: sure, self.other(asked, word): unsure} if t == word else {t: 0.0}
               for t in tokens]
        if not asked.chat:
            return {"tokens": tokens, "token_logprobs": [m[t] for t, m in zip(tokens, top)],
                    "top_logprobs": top,
                    "text_offset": [sum(map(len, tokens[:i])) for i in range(len(tokens))]}
        return {"content": [{"token": t, "logprob": m[t], "bytes": list(t.encode()),
                             "top_logprobs": [{"token": k, "logprob": v,
                                               "bytes": list(k.encode())}
                                              for k, v in m.items()]}
                            for t, m in zip(tokens, top)]}
