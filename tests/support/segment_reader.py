#!/usr/bin/python3
"""Reads a segment frame with the official Python library and prints what it holds.

    segment_reader.py SCHEMA_DIR FRAME_FILE
"""
import os, struct, subprocess, sys, tempfile

generated = tempfile.TemporaryDirectory()
subprocess.run(["flatc", "--python", "-o", generated.name,
                os.path.join(sys.argv[1], "segment.fbs")], check=True)
sys.path.insert(0, generated.name)
from minos.wire.Segment import Segment

frame = open(sys.argv[2], "rb").read()
magic, protocol, kind, _, run, actor, incarnation, seq = struct.unpack(
    "<4sBBHQIIQ", frame[:32])
print("header", magic.decode(), protocol, kind, format(run, "x"), actor, incarnation, seq)
s = Segment.GetRootAs(frame[32:])
print("acted", s.Start(), s.Update(), "seed", s.Seed(), "env", s.Env())
print("steps", s.Steps(), s.CharsLength(), s.StatsLength(), s.StateLength())
print("sums", sum(map(s.Chars, range(s.CharsLength()))),
      sum(map(s.Colors, range(s.ColorsLength()))),
      sum(map(s.Stats, range(s.StatsLength()))))
for t in range(s.Steps()):
    print("row", t, s.Caption(t), s.Count(t), s.Action(t), s.Flags(t),
          "%g %g %g" % (s.Logp(t), s.Value(t), s.Reward(t)))
for i in range(s.TextLength()):
    text = s.Text(i)
    print("text", i, bytes(map(text.Text, range(text.TextLength()))).hex(), text.Event(),
          text.Truth(), text.Strength())
for i in range(s.EpisodeLength()):
    e = s.Episode(i)
    print("episode", e.Row(), e.NextCaption(), "%g %g" % (e.FinalValue(), e.EpisodeReturn()),
          e.Length(), format(e.Seed(), "x"), e.Success(), (e.Cause() or b"").decode())
print("first", s.FirstCaption(), s.FirstAction(), s.FirstStarts(), "%g" % s.Bootstrap())
