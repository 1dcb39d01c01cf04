#!/usr/bin/env python3
"""Makes small word vectors, in the format of fastText's .vec files, from a plain text.

    tests/support/make_vectors.py [--text=FILE] [--dim=N] --out=FILE.vec

For tests, and for trying --reward=bow without a download: some hundred words, learned from
eight kilobytes (plain_words.txt beside this script). Never for results: runs with such files
say 'toy vectors' in their summary.

The method: how often words stand within four words of each other in one paragraph, as
positive pointwise mutual information (Church & Hanks 1990), each word's row of which is
projected on N random signs (Achlioptas 2003) after the mean of all is taken away. The signs
come from a hash of the context's word, so that the file is the same everywhere.
"""

import argparse
import collections
import hashlib
import math
import os
import re

WINDOW = 4


def paragraphs(path):
    with open(path, encoding="utf-8") as f:
        text = "\n".join(line for line in f.read().split("\n") if not line.startswith("#"))
    for paragraph in re.split(r"\n\s*\n", text.lower()):
        words = re.findall(r"[a-z]+", paragraph)
        if words:
            yield words


def information(path):
    """{word: {context: PPMI}}"""
    pair, word = collections.Counter(), collections.Counter()
    for words in paragraphs(path):
        for i, w in enumerate(words):
            for c in words[max(0, i - WINDOW) : i] + words[i + 1 : i + 1 + WINDOW]:
                pair[w, c] += 1
                word[w] += 1
    total = sum(pair.values())
    rows = collections.defaultdict(dict)
    for (w, c), n in pair.items():
        pmi = math.log(n * total / (word[w] * word[c]))
        if pmi > 0:
            rows[w][c] = pmi
    return rows


def signs(context, dim):
    digest = hashlib.shake_128(context.encode()).digest((dim + 7) // 8)
    return [1 if digest[i // 8] >> (i % 8) & 1 else -1 for i in range(dim)]


def vectors(rows, dim):
    sign = {c: signs(c, dim) for c in rows}
    out = {}
    for w, row in rows.items():
        length = math.sqrt(sum(x * x for x in row.values()))
        v = [0.0] * dim
        for c, x in sorted(row.items()):
            for i, s in enumerate(sign[c]):
                v[i] += s * x / length
        out[w] = [x / math.sqrt(dim) for x in v]
    mean = [sum(v[i] for v in out.values()) / len(out) for i in range(dim)]
    return {w: [x - m for x, m in zip(v, mean)] for w, v in out.items()}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--text", default=os.path.join(here, "plain_words.txt"))
    p.add_argument("--dim", type=int, default=64)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    table = vectors(information(a.text), a.dim)
    with open(a.out, "w", encoding="utf-8") as f:
        f.write(f"{len(table)} {a.dim}\n")
        for w in sorted(table):
            f.write(w + "".join(f" {x:.4f}" for x in table[w]) + "\n")


if __name__ == "__main__":
    main()
