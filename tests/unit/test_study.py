#!/usr/bin/env python3
"""launch/study/study.py with a minos that only pretends: what it keeps, removes and tells."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STUDY = os.path.join(TOP, "launch", "study", "study.py")

# A run is a directory with a summary, a line of metrics, a checkpoint and a store.
MINOS = """#!/usr/bin/env python3
import json, os, sys
said = dict(w[2:].split("=", 1) for w in sys.argv[2:] if "=" in w)
if sys.argv[1] == "train":
    run = said["run-dir"]
    os.makedirs(run + "/checkpoint-7")
    os.makedirs(said.get("store-dir", run + "/store") + "/0")
    for name, what in (("summary.json", {"env_steps": 64, "updates": 2, "text_net": "ngram",
                                         "seconds": 0, "label_delay_histogram": [1, 2]}),
                       ("metrics.jsonl", {"env_steps": 64, "success_rate": 0.5})):
        with open(run + "/" + name, "w") as f:
            f.write(json.dumps(what) + "\\n")
elif sys.argv[1] == "eval":
    print(json.dumps({"success_rate": 0.25 if "--greedy" in sys.argv else 0.75}))
elif sys.argv[1] == "label":
    if not os.path.isdir(said["run-dir"] + "/store"):
        sys.exit("label: there is no store")
    os.makedirs(said["out"])
"""


class Study(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory(prefix="minos-study-")
        self.dir = self.kept.name
        self.work = os.path.join(self.dir, "work")
        os.makedirs(os.path.join(self.dir, "bin"))
        minos = os.path.join(self.dir, "bin", "minos")
        with open(minos, "w") as f:
            f.write(MINOS)
        os.chmod(minos, 0o755)

    def tearDown(self):
        self.kept.cleanup()

    def list_of(self, *lines):
        path = os.path.join(self.dir, "some.txt")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def with_results(self, rows, *results):
        """A list of these rows and seeds, and results as they would have been kept."""
        path = self.list_of(*rows)
        os.makedirs(os.path.join(self.dir, "results"))
        with open(os.path.join(self.dir, "results", "some.jsonl"), "w") as f:
            for row, seed, wall, summary in results:
                f.write(json.dumps({
                    "row": row, "seed": seed, "commit": "abc", "wall_seconds": wall,
                    "options": [], "summary": summary, "sampled": {"success_rate": 0.5},
                    "greedy": {}, "curve": []}) + "\n")
        return path

    def study(self, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-B", STUDY, *words, f"--bin={self.dir}/bin",
             f"--work={self.work}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def stores(self):
        return sorted(d for d in os.listdir(self.work)
                      if os.path.isdir(os.path.join(self.work, d, "store")))

    # ---- csv ----

    def test_csv_has_a_line_for_each_run_and_nothing_where_there_is_no_figure(self):
        path = self.with_results(
            ["a/none 1", "a/rank 1-3 --reward=rank"],
            ("a/rank", 1, 9.5, {"env_steps": 100, "text_net": "ngram", "fit_steps": 7,
                                "policy_lag_histogram": [1, 2]}),
            ("a/none", 1, 8, {"env_steps": 100, "label_age_p50": None}),
            ("a/rank", 2, 7, {"env_steps": 101}),
            ("gone", 1, 7, {"env_steps": 5}))
        text = self.study("csv", path)
        head, *lines = list(csv.reader(io.StringIO(text)))
        self.assertEqual(head, ["row", "seed", "commit", "wall_seconds", "success_sampled",
                                "success_greedy", "env_steps", "fit_steps"])
        self.assertEqual(lines, [["a/none", "1", "abc", "8", "0.5", "", "100", ""],
                                 ["a/rank", "1", "abc", "9.5", "0.5", "", "100", "7"],
                                 ["a/rank", "2", "abc", "7", "0.5", "", "101", ""]])
        out = os.path.join(self.dir, "some.csv")
        self.assertEqual(self.study("csv", path, "--out=" + out), "")
        with open(out, newline="") as f:
            self.assertEqual(f.read(), text)

    def test_csv_says_where_it_could_not_be_written(self):
        path = self.with_results(["a/none 1"])
        said = self.study("csv", path, f"--out={self.dir}/no/where.csv", code=2)
        self.assertIn(f"--out={self.dir}/no/where.csv: No such file or directory", said)

    # ---- which runs ----

    def test_runs_with_results_are_counted_and_repeated_elsewhere_alone(self):
        path = self.with_results(["a/none 1-3 --reward=none"], ("a/none", 1, 9, {}),
                                 ("a/none", 2, 9, {}))
        elsewhere = os.path.join(self.dir, "again")
        said = self.study("run", path, "--seeds=1-2")
        self.assertIn("2 of 2 runs of", said)
        self.assertFalse(os.path.exists(self.work) and os.listdir(self.work))
        self.study("run", path, "--seeds=2", "--results=" + elsewhere)
        self.assertEqual(sorted(os.listdir(self.work)), ["a-none-2", "a-none-2.options.json"])
        self.assertEqual(
            len(self.study("csv", path, "--results=" + elsewhere).splitlines()), 2)

    def test_what_names_no_run_is_refused(self):
        path = self.list_of("a/none 1-2 --reward=none")
        self.assertIn("name no run of", self.study("run", path, "--only=b", code=2))
        self.assertIn("name no run of", self.study("run", path, "--seeds=3", code=2))
        self.assertIn("no regular expression", self.study("run", path, "--only=(", code=2))
        self.assertIn("not a list of seeds", self.study("run", path, "--seeds=x", code=2))
        self.assertFalse(os.path.exists(self.work))

    # ---- stores ----

    def test_the_store_of_a_run_is_removed_once_its_result_is_kept(self):
        path = self.list_of("a/none 1-2 --reward=none")
        os.makedirs(os.path.join(self.work, "a-none-3", "store"))
        self.study("run", path)
        self.assertEqual(self.stores(), ["a-none-3"])  # none of this study's
        self.assertEqual(sorted(os.listdir(os.path.join(self.work, "a-none-1"))),
                         ["checkpoint-7", "metrics.jsonl", "summary.json"])
        self.assertEqual(len(self.study("csv", path).splitlines()), 3)

    def test_a_store_stays_as_long_as_a_later_row_names_its_run(self):
        path = self.list_of(
            "a/none 1-2 --reward=none",
            "a/none 11 --reward=none",
            "before {work}/labels-{seed} {bin}/minos label "
            "--run-dir={work}/a-none-{seed} --out={work}/labels-{seed}",
            "a/motif 1-2 --reward=motif --reward-model={work}/labels-{seed}")
        self.study("run", path, "--only=none")
        self.assertEqual(self.stores(), ["a-none-1", "a-none-2"])
        self.study("run", path)
        self.assertEqual(self.stores(), [])
        self.assertTrue(os.path.isdir(os.path.join(self.work, "labels-2")))

    def test_a_store_that_an_option_of_a_later_row_names_stays(self):
        path = self.list_of("a 1 --x=1", "b 1 --labels-from={work}/a-1,{work}/c",
                            "d 1 --x=2")
        self.study("run", path, "--only=a|d")
        self.assertEqual(self.stores(), ["a-1"])

    def test_all_stores_stay_where_that_is_asked_for(self):
        path = self.list_of("a 1-2 --x=1")
        self.study("run", path, "--keep-stores")
        self.assertEqual(self.stores(), ["a-1", "a-2"])
        self.study("run", self.list_of("a 1-2 --x=1", "b 1 --x=2"))
        self.assertEqual(self.stores(), ["a-1", "a-2"])

    def test_a_store_elsewhere_and_one_that_is_a_link_are_left_alone(self):
        other = os.path.join(self.dir, "other")
        os.makedirs(other)
        path = self.list_of(f"a 1 --store-dir={other}/a", f"b 1 --link={other}")
        minos = os.path.join(self.dir, "bin", "minos")
        with open(minos) as f:
            text = f.read()
        with open(minos, "w") as f:
            f.write(text.replace('    for name, what', '    if "link" in said:\n'
                                 '        os.removedirs(run + "/store/0")\n'
                                 '        os.makedirs(run + "/checkpoint-8")\n'
                                 '        os.symlink(said["link"], run + "/store")\n'
                                 '    for name, what', 1))
        self.study("run", path)
        self.assertTrue(os.path.isdir(other + "/a/0"))
        self.assertTrue(os.path.islink(os.path.join(self.work, "b-1", "store")))

    # ---- models ----

    def test_models_shows_rows_without_a_model_and_says_of_how_many_seeds_a_mean_is(self):
        cpu = {"updates": 1000, "cpu_scoring_s": 1, "cpu_fitting_s": 2, "cpu_learner_s": 50,
               "cpu_actors_s": 50, "cpu_judges_s": 0, "cpu_other_s": 0}
        model = dict(cpu, text_net="ngram", fit_steps=10, captions_scored_per_update=2.5)
        path = self.with_results(
            ["none 1", "fitted 1-3", "frozen 1", "old 1"],
            ("none", 1, 60, dict(cpu, seconds=58, cpu_fitting_s=0)),
            ("fitted", 1, 60, dict(model, seconds=58, held_recall=1, held_precision=0.5,
                                   held_ece=0.25, fresh_agreement=1)),
            ("fitted", 2, 60, dict(model, seconds=58, held_precision=0.25, held_ece=0.25,
                                   fresh_agreement=0)),
            # the rest of a run that was stopped; as of old, its sums are of that alone
            ("fitted", 3, 30, dict(model, seconds=58, cpu_scoring_s=0.5, held_ece=0.25,
                                   fresh_agreement=0.5)),
            ("frozen", 1, 30, dict(cpu, seconds=58, starts=2, text_net="ngram",
                                   captions=3000)),
            ("old", 1, 60, {"seconds": 58}))
        none, fitted, frozen, old = [row.split("|") for row in
                                self.study("models", path).splitlines()[2:]]
        self.assertEqual([c.strip() for c in none[1:-1]],
                         ["none", "", "", "–, 1.000", "0.000", "1.0 %", "", "", ""])
        self.assertEqual([c.strip() for c in fitted[1:-1]],
                         ["fitted", "ngram", "10", "2.5, 1.000 (2 of 3)",
                          "2.000 (2 of 3)", "3.0 % (2 of 3)",
                          "1.000 (1 of 3), 0.375 (2 of 3), 0.2500", "0.500", ""])
        self.assertEqual([c.strip() for c in frozen[1:-1]][:4],
                         ["frozen", "ngram", "", "3.0, 1.000"])
        self.assertEqual([c.strip() for c in old[1:-1]], ["old"] + 8 * [""])


if __name__ == "__main__":
    unittest.main()
