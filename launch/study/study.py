#!/usr/bin/python3
"""Runs a list of training runs, keeps one line of results for each, and makes a table and
curves out of them.

    study.py run LIST [...] [--seconds=S] [--only=REGEX] [--seeds=1-3] [--bin=DIR]
                     [--work=DIR] [--keep-stores]
    study.py table LIST [...] [--columns=depth_2,depth,experience,scout]   Markdown
    study.py judges LIST [...]              Markdown: what was asked, answered and paid
    study.py models LIST [...]              Markdown: what fitting and scoring did and cost
    study.py lags LIST [...]                Markdown: how late labels were, what came again
    study.py csv LIST [...] [--out=FILE]    a line for each run: success and all figures
    study.py plot LIST --out=FILE.svg [--only=REGEX]
    study.py labels FILE --out=FILE.svg      what minos bench label-budget printed

LIST is a text file; its results are appended to results/NAME.jsonl beside it, one JSON
object a line, never rewritten: what has a line is not run again. To repeat what has one,
give --results=DIR, where results are then kept and read in place of that, and a --work=DIR
of its own. --only and --seeds choose rows and seeds, of tables and plots, too. `run` may be stopped at
any time (Ctrl-C, or after --seconds): the run under way is stopped in order and goes on
from its checkpoint the next time.

A line of LIST is `ROW SEEDS OPTIONS...`, SEEDS being like 1-5 or 1,3. `common OPTIONS...`
holds for the rows after it, `eval OPTIONS...` is for minos eval (played twice, with
sampled and with greedy actions). Empty lines and lines that begin with # are skipped.

`with COMMAND...` starts a program from the top of the tree beside each run of the rows
after it and ends it behind the run, such as a server that judges need. {seed} in it is the
row's seed, {state} a file that the program writes once it is ready, JSON of numbers, which
are kept with the result as it is in the end (of the last part of a run that was stopped and
went on). `with` alone starts nothing any more.

`before FILE COMMAND...` makes what the rows after it need, from the top of the tree before
each of their runs, unless FILE is there. In FILE, COMMAND and the rows' options {seed} is
the seed, {work} the directory of the runs, {bin} that of the programs and {top} the top of
the tree; results keep the options as they stand in the list.

The store of a run (runs/.../store, by far the most of it) is removed once its result is
kept, unless a row that has no result yet, of any LIST of the command, names the run as
{work}/ROW-{seed} in what stands before it or in its options; then once that row has one.
--keep-stores removes none.
"""
import argparse
import csv
import json
import os
import platform
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CURVE_POINTS = 120
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3c8d",
           "#999999", "#000000", "#b8860b", "#8c564b", "#17becf")
SUMMARY = ("env_steps", "seconds", "sps", "episodes", "success_rate", "return_mean",
           "labels", "questions_asked", "questions_duplicate", "captions",
           "policy_lag_p50", "policy_lag_p99", "peak_anon_mb", "blas_core", "entropy",
           "verdicts_label", "verdicts_abstain", "verdicts_unparseable",
           "verdicts_timeout", "verdicts_refused", "verdicts_overload", "verdicts_late",
           "judge_requests", "judge_cost", "tokens_in", "tokens_out",
           "judge_p50_ms", "judge_p99_ms", "progress_delay_p50_ms",
           "progress_delay_p99_ms", "judge_cpu_share", "label_delay_p50", "label_delay_p99",
           "label_delay_histogram", "label_age_p50", "label_age_p99",
           "label_age_histogram", "model_lag_p50", "model_lag_p99",
           "model_lag_histogram", "policy_lag_histogram", "replay_segments",
           "replay_samples", "replay_windows", "replay_marked", "replay_gone",
           "replay_window_lost_age", "replay_lost_age", "replay_lost_ess",
           "replay_rho_mean", "replay_kl", "replay_lag_p50", "replay_lag_p99",
           "replay_lag_histogram", "text_net", "fit_steps", "fit_steps_per_update",
           "captions_scored", "captions_scored_per_update", "cpu_scoring_s",
           "cpu_fitting_s", "cpu_learner_s", "cpu_actors_s", "cpu_judges_s", "cpu_other_s",
           "held_recall", "held_precision", "held_ece", "fresh_agreement", "fit_labels",
           "fit_helpful", "verdicts_tie", "updates", "reward_model", "reward_version",
           "word_vectors", "starts")
READY_SECONDS = 20


def die(text):
    print("study.py: " + text, file=sys.stderr)
    sys.exit(2)


def parse_seeds(text, where):
    seeds = []
    for part in text.split(","):
        m = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not m:
            die(f"{where}: {text} is not a list of seeds such as 1-5 or 1,3")
        seeds += range(int(m[1]), int(m[2] or m[1]) + 1)
    return seeds


def read_list(path):
    """[(row, seed, options, beside, before)], and the options of eval."""
    common, evaluation, runs, beside, before = [], [], [], [], []
    if not os.path.exists(path):
        die(f"there is no {path}")
    with open(path) as f:
        for n, line in enumerate(f, 1):
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] == "common":
                common = words[1:]
            elif words[0] == "eval":
                evaluation = words[1:]
            elif words[0] == "with":
                beside = words[1:]
            elif words[0] == "before":
                if len(words) == 2:
                    die(f"{path}:{n}: before needs a FILE and a COMMAND, or nothing")
                before = before + [words[1:]] if len(words) > 1 else []
            elif len(words) < 2:
                die(f"{path}:{n}: a row needs seeds")
            else:
                for seed in parse_seeds(words[1], f"{path}:{n}"):
                    runs.append((words[0], seed, common + words[2:], beside, before))
    return runs, evaluation


results_dir = None  # --results; None: beside the list


def results_path(path):
    name = os.path.splitext(os.path.basename(path))[0]
    beside = os.path.join(os.path.dirname(os.path.abspath(path)), "results")
    return os.path.join(results_dir or beside, name + ".jsonl")


def read_results(path):
    """{(row, seed): result}; a torn last line is passed over."""
    found = {}
    if os.path.exists(path):
        with open(path) as f:
            for line in f:
                try:
                    r = json.loads(line)
                except ValueError:
                    continue
                found[r["row"], r["seed"]] = r
    return found


def append_result(path, result):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torn = False
    if os.path.exists(path) and os.path.getsize(path) > 0:
        with open(path, "rb") as f:
            f.seek(-1, os.SEEK_END)
            torn = f.read(1) != b"\n"
    with open(path, "a") as f:
        f.write(("\n" if torn else "") + json.dumps(result) + "\n")
        f.flush()
        os.fsync(f.fileno())


def last_json(text):
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return {}


def read_curve(run):
    """[[env_steps, success_rate, return_mean, entropy]], thinned."""
    points = []
    path = os.path.join(run, "metrics.jsonl")
    if not os.path.exists(path):
        return points
    with open(path) as f:
        for line in f:
            try:
                r = json.loads(line)
            except ValueError:
                continue
            if "env_steps" in r:
                points.append([r["env_steps"], r.get("success_rate"),
                               r.get("return_mean"), r.get("entropy")])
    step = max(1, len(points) // CURVE_POINTS)
    return points[::step] + (points[-1:] if len(points) % step != 1 else [])


def helpful_share(run):
    """Mean over the run of the share of caption emissions that were labelled helpful."""
    with open(os.path.join(run, "metrics.jsonl")) as f:
        rows = [json.loads(line) for line in f if line.endswith("\n")]
    shares = [r["captions_helpful_share"] for r in rows
              if r.get("captions_helpful_share") is not None]
    return sum(shares) / len(shares) if shares else None


def machine():
    model = platform.processor()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, {len(os.sched_getaffinity(0))} cores"


def commit():
    done = subprocess.run(["git", "-C", TOP, "rev-parse", "--short=12", "HEAD"],
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def call(command, deadline):
    """Runs to the end; (exit code, stdout). None: out of time, stopped in order."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        out, _ = child.communicate(timeout=max(1, deadline - time.monotonic()))
        return child.returncode, out
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as reason:
        child.send_signal(signal.SIGINT)
        child.communicate()
        if isinstance(reason, KeyboardInterrupt):
            raise
        return None


class Beside:
    """A program beside a run; numbers() are its state's."""

    def __init__(self, words, seed, run):
        self.state = os.path.abspath(run) + ".beside.json"
        self.child = None
        if os.path.exists(self.state):
            os.remove(self.state)
        if not words:
            return
        command = [w.replace("{seed}", str(seed)).replace("{state}", self.state)
                   for w in words]
        self.child = subprocess.Popen(command, cwd=TOP, start_new_session=True)
        end = time.monotonic() + READY_SECONDS
        while any("{state}" in w for w in words) and not os.path.exists(self.state):
            if self.child.poll() is not None or time.monotonic() > end:
                self.stop()
                die(f"{shlex.join(command)} did not get ready")
            time.sleep(0.05)

    def stop(self):
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait()

    def numbers(self):
        if not os.path.exists(self.state):
            return {}
        with open(self.state) as f:
            state = json.load(f)
        return {k: v for k, v in state.items() if isinstance(v, (int, float))}


def run_dir(args, row, seed):
    return os.path.join(args.work, re.sub(r"[^A-Za-z0-9_.-]", "-", row) + f"-{seed}")


def run_one(args, run_of, evaluation, deadline):
    """The result of one run, or None when the time was up."""
    row, seed, options, words, before = run_of
    run = run_dir(args, row, seed)
    for made in before:
        make(args, seed, made)
    beside = Beside(words, seed, run)
    try:
        result = train_one(args, row, seed, options, run, deadline)
    finally:
        beside.stop()
    if result is None:
        return None
    if words:
        result["beside"] = beside.numbers()
    return eval_one(args, result, run, evaluation, deadline)


def filled(args, seed, word):
    for name, value in (("seed", seed), ("work", os.path.abspath(args.work)),
                        ("bin", os.path.abspath(args.bin)), ("top", TOP)):
        word = word.replace("{" + name + "}", str(value))
    return word


def make(args, seed, made):
    """What a row needs, once."""
    path, *command = [filled(args, seed, word) for word in made]
    if os.path.exists(path):
        return
    print(f"    makes {path}", flush=True)
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.DEVNULL, check=False)
    if done.returncode != 0 or not os.path.exists(path):
        die(f"{shlex.join(command)} ended with exit code {done.returncode} and "
            f"{'made' if os.path.exists(path) else 'did not make'} {path}")


def keep_options(run, options):
    """A directory of the same name may hold a run of other options, whose result would
    pass for this one's."""
    if os.path.isdir(run):
        before = kept_options(run)
        if before != options:
            die(f"{run} holds a run of other options, "
                f"{'unknown' if before is None else shlex.join(before)}; "
                f"remove it, or name another --work")
    with open(run + ".options.json", "w") as f:
        json.dump(options, f)


def kept_options(run):
    """None: no study made this directory."""
    if not os.path.exists(run + ".options.json"):
        return None
    with open(run + ".options.json") as f:
        return json.load(f)


def names(args, run_of, other):
    """Whether what stands before this run, or its options, name the directory of another."""
    _, seed, options, _, before = run_of
    path = re.compile(re.escape(os.path.abspath(run_dir(args, *other[:2]))) +
                      r"(?![A-Za-z0-9_.-])")
    return any(path.search(filled(args, seed, word))
               for word in [w for made in before for w in made] + options)


def remove_stores(args, done):
    """Of the run that was just done and of those that it names, where nobody needs them any
    more. What a study did not make, or made of other options, is not touched."""
    has_result, waits = [], []
    for path in args.lists:
        found = read_results(results_path(path))
        for run_of in read_list(path)[0]:
            (has_result if run_of[:2] in found else waits).append(run_of)
    for run_of in has_result:
        run = run_dir(args, *run_of[:2])
        store = os.path.join(run, "store")
        if run_of[:2] != done[:2] and not names(args, done, run_of):
            continue
        if any(names(args, other, run_of) for other in waits):
            continue
        if kept_options(run) != run_of[2] or os.path.islink(store):
            continue
        if os.path.isdir(store):
            try:
                shutil.rmtree(store)
            except OSError as why:
                print(f"study.py: {store} stays: {why}", file=sys.stderr)


def train_one(args, row, seed, options, run, deadline):
    minos = os.path.join(args.bin, "minos")
    keep_options(run, options)
    train = [minos, "train", f"--run-dir={run}", f"--seed={seed}", "--quiet"] + \
        [filled(args, seed, word) for word in options]
    began = time.time()
    done = call(train, deadline)
    if done is None:
        return None
    if done[0] != 0:
        die(f"{shlex.join(train)} ended with exit code {done[0]}")
    result = {"row": row, "seed": seed, "options": options, "commit": commit(),
              "machine": machine(), "wall_seconds": round(time.time() - began, 1)}
    with open(os.path.join(run, "summary.json")) as f:
        summary = json.load(f)
    asked = [int(o.split("=", 1)[1]) for o in options if o.startswith("--steps=")]
    if asked and summary["env_steps"] < asked[-1]:
        die(f"{run} was stopped at {summary['env_steps']} of {asked[-1]} steps; the same "
            "command goes on with it")
    result["summary"] = {k: summary[k] for k in SUMMARY if k in summary}
    return result


def eval_one(args, result, run, evaluation, deadline):
    minos = os.path.join(args.bin, "minos")
    for kind in ("sampled", "greedy"):
        command = [minos, "eval", f"--run-dir={run}"] + evaluation
        done = call(command + (["--greedy"] if kind == "greedy" else []), deadline + 600)
        if done is None or done[0] != 0:
            die(f"{shlex.join(command)} did not end well")
        result[kind] = last_json(done[1])
        result[kind].pop("run_dir", None)
    result["curve"] = read_curve(run)
    result["helpful_share"] = helpful_share(run)
    return result


def is_asked_for(args, row, seed):
    return re.search(args.only, row) and (not args.seeds or seed in args.seeds)


def cmd_run(args):
    deadline = time.monotonic() + (args.seconds or 1e6)
    if not any(is_asked_for(args, *run[:2]) for p in args.lists for run in read_list(p)[0]):
        die(f"--only={args.only} and --seeds={args.seeds or 'all'} name no run of "
            + ", ".join(args.lists))
    os.makedirs(args.work, exist_ok=True)
    for path in args.lists:
        runs, evaluation = read_list(path)
        out = results_path(path)
        asked = [run for run in runs if is_asked_for(args, *run[:2])]
        known = sum(run[:2] in read_results(out) for run in asked)
        if known > 0:
            print(f"{known} of {len(asked)} runs of {path} have results in {out} and are not "
                  "repeated (to repeat them: --results=DIR, --work=DIR)", flush=True)
        for run in asked:
            row, seed = run[:2]
            if (row, seed) in read_results(out):
                continue
            if time.monotonic() >= deadline:
                return 0
            print(f"{time.strftime('%H:%M:%S')} {row} seed {seed}", flush=True)
            result = run_one(args, run, evaluation, deadline)
            if result is None:
                print("time is up; the run under way goes on the next time")
                return 0
            append_result(out, result)
            if not args.keep_stores:
                remove_stores(args, run)
            print(f"    success {result['sampled'].get('success_rate')} sampled, "
                  f"{result['greedy'].get('success_rate')} greedy, "
                  f"{result['wall_seconds']} s", flush=True)
    return 0


def iqm(values):
    """Interquartile mean, with fractional weights at the quarter's edges."""
    v = sorted(values)
    n = len(v)
    low, high, total = n / 4, 3 * n / 4, 0.0
    for i, x in enumerate(v):
        total += x * max(0.0, min(i + 1, high) - max(i, low))
    return total / (high - low)


def interval(values):
    """95 % bootstrap interval of the interquartile mean, over seeds."""
    rng = random.Random(1)
    draws = sorted(iqm([rng.choice(values) for _ in values]) for _ in range(2000))
    return draws[50], draws[-51]


def grouped(args):
    rows = {}
    for path in args.lists:
        found = read_results(results_path(path))
        for row, seed, *_ in read_list(path)[0]:
            if (row, seed) in found and is_asked_for(args, row, seed):
                rows.setdefault(row, []).append(found[row, seed])
    return rows


def mean(values, form):
    return form % (sum(values) / len(values)) if values else ""


def column(results, part, key):
    return [r[part][key] for r in results if r[part].get(key) is not None]


def cmd_table(args):
    if args.columns:
        return table_of_means(args, args.columns.split(","))
    print("| row | seeds | success IQM (95 %) | least | greedy IQM | entropy | labels "
          "| labelled helpful | training s | steps/s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row, results in grouped(args).items():
        sampled = column(results, "sampled", "success_rate")
        greedy = column(results, "greedy", "success_rate")
        low, high = interval(sampled)
        entropy = [r["curve"][-1][3] for r in results if r["curve"]]
        helpful = [r["helpful_share"] for r in results if r.get("helpful_share")]
        print(f"| {row} | {len(results)} | {iqm(sampled):.3f} ({low:.3f}–{high:.3f}) "
              f"| {min(sampled):.3f} | {iqm(greedy):.3f} | {mean(entropy, '%.2f')} "
              f"| {mean(column(results, 'summary', 'labels'), '%.0f')} "
              f"| {mean(helpful, '%.4f')} "
              f"| {mean(column(results, 'summary', 'seconds'), '%.0f')} "
              f"| {mean(column(results, 'summary', 'sps'), '%.0f')} |")
    return 0


def table_of_means(args, names):
    """What minos eval measures: the mean over seeds, each seed's own, and how wide the
    95 % interval over the episodes of one seed is."""
    print("| row | seeds | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    for row, results in grouped(args).items():
        cells = []
        for name in names:
            values = column(results, "sampled", name + "_mean")
            wide = column(results, "sampled",
                          "ci95" if name == "return" else name + "_ci95")
            each = ", ".join("%.3g" % v for v in values)
            cells.append(f"{mean(values, '%.3g')} ({each}; ±{mean(wide, '%.2g')} each)")
        print(f"| {row} | {len(results)} | " + " | ".join(cells) + " |")
    return 0


FAILURES = ("unparseable", "timeout", "overload", "refused", "abstain")


def cmd_judges(args):
    """Sums over seeds for counts, means for the rest."""
    print("| row | seeds | labels | answers/s | requests | failed ("
          + ", ".join(FAILURES) + ") | late | duplicates | first sight to label of progress "
          "p50, p99 s | tokens in, out | cost | steps/s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for row, results in grouped(args).items():
        def of(key):
            return column(results, "summary", key)

        answers = sum(sum(of("verdicts_" + kind)) for kind in FAILURES + ("label",))
        failed = [sum(of("verdicts_" + kind)) for kind in FAILURES]
        print(f"| {row} | {len(results)} | {sum(of('labels')):.0f} "
              f"| {answers / max(1e-9, sum(of('seconds'))):.1f} "
              f"| {sum(of('judge_requests')):.0f} "
              f"| {sum(failed):.0f} ({', '.join('%.0f' % n for n in failed)}) "
              f"| {sum(of('verdicts_late')):.0f} | {sum(of('questions_duplicate')):.0f} "
              f"| {mean([ms / 1000 for ms in of('progress_delay_p50_ms')], '%.2f')}, "
              f"{mean([ms / 1000 for ms in of('progress_delay_p99_ms')], '%.1f')} "
              f"| {sum(of('tokens_in')):.0f}, {sum(of('tokens_out')):.0f} "
              f"| {sum(of('judge_cost')):.2f} "
              f"| {mean(of('sps'), '%.0f')} |")
    return 0


def in_parts(result):
    """Stopped and gone on with, by a program whose sums began anew with each start: results
    with `starts` are of one that sums over all. The time waited for is of the last part."""
    summary = result["summary"]
    return "starts" not in summary and result["wall_seconds"] < summary.get("seconds", 0)


def told(values, all_of, form):
    """The mean, and of how many it is where that is not all."""
    few = f" ({len(values)} of {all_of})" if 0 < len(values) < all_of else ""
    return mean(values, form) + few


def captions_scored(result):
    """In an update. A frozen model scores a caption when it first comes, and counts none."""
    s = result["summary"]
    if "text_net" in s and "fit_steps" not in s and s.get("updates"):
        return s.get("captions", 0) / s["updates"]
    return s.get("captions_scored_per_update")


def cmd_models(args):
    """Means over seeds; the share is of the CPU time of all processes of the run."""
    print("| row | text net | gradient steps | distinct captions scored an update, ms | "
          "fitting an update, ms | fitting and scoring, of all CPU | held-out recall, "
          "precision, ECE | agreement with fresh verdicts | ties |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row, results in grouped(args).items():
        whole = [r["summary"] for r in results if not in_parts(r)]
        whole = [s for s in whole if s.get("updates") and "cpu_scoring_s" in s]

        def of(key, form):
            return told(column(results, "summary", key), len(results), form)

        def cpu(key):
            return told([1e3 * s[key] / s["updates"] for s in whole], len(results), "%.3f")

        shares = []
        for s in whole:
            total = sum(s.get(f"cpu_{who}_s", 0)
                        for who in ("learner", "actors", "judges", "other"))
            if total:
                shares.append(100 * (s["cpu_scoring_s"] + s["cpu_fitting_s"]) / total)
        texts = {r["summary"].get("text_net", "") for r in results} - {""}
        scored = [n for n in map(captions_scored, results) if n is not None]
        ties, orders = (sum(column(results, "summary", "verdicts_" + kind))
                        for kind in ("tie", "label"))
        held = [of("held_" + key, form) for key, form in
                (("recall", "%.3f"), ("precision", "%.3f"), ("ece", "%.4f"))]
        scored, held = (", ".join(c or "–" for c in cells) if any(cells) else ""
                        for cells in ([told(scored, len(results), "%.1f"),
                                       cpu("cpu_scoring_s")], held))
        print(f"| {row} | {', '.join(sorted(texts))} | {of('fit_steps', '%.0f')} "
              f"| {scored} "
              f"| {cpu('cpu_fitting_s')} "
              f"| {told(shares, len(results), '%.1f %%')} "
              f"| {held} | {of('fresh_agreement', '%.3f')} "
              f"| {'%.0f %%' % (100 * ties / (ties + orders)) if ties else ''} |")
    return 0


def cmd_lags(args):
    """Means over seeds. Shares: of the windows of late labels, and of what was drawn."""
    print("| row | seeds | success IQM (95 %) | labels/s | label delay, updates, p50, p99 "
          "| label age, p50, p99 | model lag, p50, p99 | policy lag, p50, p99 "
          "| replayed, of fresh | of windows lost to age | of draws lost to age, to ESS |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row, results in grouped(args).items():
        def of(key):
            return column(results, "summary", key)

        def pair(key):
            return (mean(of(key + "_p50"), "%.0f") + ", " +
                    mean(of(key + "_p99"), "%.0f"))

        sampled = column(results, "sampled", "success_rate")
        low, high = interval(sampled)
        fresh = sum(of("env_steps"))
        share = sum(of("replay_samples")) / fresh if fresh else 0
        print(f"| {row} | {len(results)} | {iqm(sampled):.3f} ({low:.3f}–{high:.3f}) "
              f"| {sum(of('labels')) / max(1e-9, sum(of('seconds'))):.1f} "
              f"| {pair('label_delay')} | {pair('label_age')} | {pair('model_lag')} "
              f"| {pair('policy_lag')} | {share:.3f} "
              f"| {mean(of('replay_window_lost_age'), '%.3f')} "
              f"| {mean(of('replay_lost_age'), '%.3f')}, "
              f"{mean(of('replay_lost_ess'), '%.3f')} |")
    return 0


def numeric(summary):
    return {k: v for k, v in summary.items()
            if isinstance(v, (int, float)) and not isinstance(v, bool)}


def cmd_csv(args):
    """The columns of figures are those that any of the runs has, in the order of SUMMARY."""
    runs = [r for results in grouped(args).values() for r in results]
    there = {key for r in runs for key in numeric(r["summary"])}
    figures = [key for key in SUMMARY if key in there]
    try:
        out = open(args.out, "w", newline="") if args.out else sys.stdout
    except OSError as why:
        die(f"--out={args.out}: {why.strerror}")
    write = csv.writer(out, lineterminator="\n")
    write.writerow(["row", "seed", "commit", "wall_seconds", "success_sampled",
                    "success_greedy"] + figures)
    for r in runs:
        numbers = numeric(r["summary"])
        write.writerow([r["row"], r["seed"], r["commit"], r["wall_seconds"],
                        r["sampled"].get("success_rate"), r["greedy"].get("success_rate")] +
                       [numbers.get(key) for key in figures])
    if args.out:
        out.close()
    return 0


def at(curve, x, column):
    """Linear between the points of a curve; None outside."""
    points = [(p[0], p[column]) for p in curve if p[column] is not None]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 <= x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y1
    return None


def cmd_plot(args):
    if not args.out:
        die("plot needs --out=FILE.svg")
    rows = grouped(args)
    blocks, plots = [], []
    for i, (row, results) in enumerate(rows.items()):
        last = max(r["curve"][-1][0] for r in results if r["curve"])
        lines = []
        for n in range(1, CURVE_POINTS + 1):
            x = last * n / CURVE_POINTS
            values = [y for y in (at(r["curve"], x, 1) for r in results) if y is not None]
            if values:
                lines.append(f"{x / 1e6} {sum(values) / len(values)} "
                             f"{min(values)} {max(values)}")
        blocks.append(f"$row{i} << END\n" + "\n".join(lines) + "\nEND\n")
        colour = f"rgb '{COLOURS[i % len(COLOURS)]}'"
        plots.append(f"$row{i} using 1:3:4 with filledcurves notitle lc {colour} "
                     f"fs transparent solid 0.15 noborder")
        plots.append(f"$row{i} using 1:2 with lines lw 2 lc {colour} "
                     f"title '{row} ({len(results)} seeds)' noenhanced")
    if not plots:
        die("no results yet")
    script = (f"set terminal svg size 900,520 background 'white'\n"
              f"set output '{args.out}'\n"
              "set xlabel 'environment steps trained, millions'\n"
              "set ylabel 'success rate of training episodes'\n"
              "set yrange [0:1]\nset key outside right\nset grid\n"
              + "".join(blocks) + "plot " + ", ".join(plots) + "\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return 0


def cmd_labels(args):
    """Balanced accuracy and recall against labels, a line for each order of asking."""
    if not args.out:
        die("labels needs --out=FILE.svg")
    orders = {}
    for path in args.lists:
        with open(path, encoding="utf-8") as f:
            for line in f:
                row = json.loads(line)
                orders.setdefault(row["order"], []).append(row)
    blocks, plots = [], {"balanced_accuracy": [], "recall": []}
    for i, (order, rows) in enumerate(orders.items()):
        lines = [f"{r['labels']} {r['balanced_accuracy']} {r['recall']}" for r in
                 sorted(rows, key=lambda r: r["labels"]) if r["labels"] > 0]
        blocks.append(f"$order{i} << END\n" + "\n".join(lines) + "\nEND\n")
        for column, key in ((2, "balanced_accuracy"), (3, "recall")):
            plots[key].append(f"$order{i} using 1:{column} with linespoints lw 2 pt 7 "
                              f"ps 0.5 lc {i + 1} title '{order}'")
    if not orders:
        die("no lines of minos bench label-budget")
    script = (f"set terminal svg size 900,420 background 'white'\n"
              f"set output '{args.out}'\n"
              "set logscale x\nset xlabel 'labels spent'\nset grid\n"
              "set key bottom right\n" + "".join(blocks) + "set multiplot layout 1,2\n"
              "set ylabel 'balanced accuracy over emissions'\nset yrange [0.5:1]\nplot "
              + ", ".join(plots["balanced_accuracy"]) +
              "\nset ylabel 'recall of progress emissions'\nset yrange [0:1]\nplot "
              + ", ".join(plots["recall"]) + "\nunset multiplot\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return 0


COMMANDS = {"run": cmd_run, "table": cmd_table, "judges": cmd_judges, "models": cmd_models,
            "lags": cmd_lags, "csv": cmd_csv, "plot": cmd_plot, "labels": cmd_labels}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("lists", nargs="+", metavar="LIST")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", default="")
    parser.add_argument("--results", default=None)
    parser.add_argument("--bin", default=os.path.join(TOP, "build", "bin"))
    parser.add_argument("--work", default=os.path.join(TOP, "runs", "study"))
    parser.add_argument("--out", default="")
    parser.add_argument("--columns", default="")
    parser.add_argument("--keep-stores", action="store_true")
    args = parser.parse_args()
    global results_dir
    results_dir = args.results
    args.seeds = parse_seeds(args.seeds, "--seeds") if args.seeds else []
    try:
        re.compile(args.only)
    except re.error as broken:
        die(f"--only={args.only} is no regular expression: {broken}")
    try:
        return COMMANDS[args.command](args)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
