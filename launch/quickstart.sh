#!/bin/sh
# From a fresh clone to a trained policy: installs what is missing, builds, trains an
# agent on the built-in roguelike from a judge's feedback, and measures it on levels that
# it has never seen. One to two minutes of training on two cores.
#
#   sh launch/quickstart.sh [--no-install] [--build-only] [--steps=N]
#
#   --no-install  fail instead of installing packages
#   --build-only  install and build, do not train
#   --steps=N     environment steps to train [2700000]
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
install=yes
train=yes
steps=2700000
for arg in "$@"; do
    case $arg in
    --no-install) install=no ;;
    --build-only) train=no ;;
    --steps=*[!0-9]* | --steps=)
        echo "quickstart.sh: $arg: a whole number is needed" >&2
        exit 2
        ;;
    --steps=*) steps=${arg#*=} ;;
    *)
        echo "quickstart.sh: $arg: no such option; --no-install, --build-only, --steps=N" >&2
        exit 2
        ;;
    esac
done

echo "== packages"
if [ $install = yes ]; then
    sh launch/setup.sh
else
    sh launch/setup.sh --check
fi

echo "== build (the log is build/build.log)"
generator=""
command -v ninja >/dev/null && generator="-G Ninja"
# A build directory keeps the generator that it was made with.
[ -f build/CMakeCache.txt ] && generator=""
mkdir -p build
# shellcheck disable=SC2086
if ! cmake --preset release $generator >build/build.log 2>&1 ||
    ! cmake --build build -j "$(nproc)" >>build/build.log 2>&1; then
    grep -E 'error|Error|FAILED' -A 3 build/build.log | tail -40 >&2
    echo "quickstart.sh: it does not build; see build/build.log" >&2
    exit 1
fi
if [ $train = no ]; then
    echo "built; next: build/bin/minos help, or this again without --build-only"
    exit 0
fi

minos="build/bin/minos"
mkdir -p runs
n=1
while ! mkdir "runs/quickstart-$n" 2>/dev/null; do
    n=$((n + 1))
    [ $n -lt 100000 ] || {
        echo "quickstart.sh: cannot make a directory in $top/runs" >&2
        exit 1
    }
done
run="runs/quickstart-$n"

echo "== train: find the key, open the vault, reach the chest"
"$minos" train --env=crypt-vault --reward=retrieval --judge=rule --goal=treasure \
    --steps="$steps" --run-dir="$run"

echo "== evaluate: 500 levels that were never played"
"$minos" eval --run-dir="$run" --episodes=500 --seed=1 >"$run/eval.json"
rate=$(sed -n 's/.*"success_rate": *\([0-9.eE+-]*\).*/\1/p' "$run/eval.json")
"$minos" audit --run-dir="$run" >"$run/audit.txt" ||
    echo "quickstart.sh: the audit does not balance; see $run/audit.txt" >&2

cat <<END

Success rate on 500 unseen levels: $rate
(playing at random it is 0.0001)

Results lie in $run: eval.json, summary.json, metrics.jsonl, audit.txt, logs/.

Try next:
  $minos watch --run-dir=$run               watch it play
  $minos play --env=crypt-vault             play it yourself
  $minos ledger list --run-dir=$run         what the judge said of each caption
  $minos train --run-dir=$run --steps=5000000     go on with this run
  $minos train --env=nethack-stairs3 --goal=stairs --seconds=600    real NetHack
A judge of your own: judge/README.md; copy judge/examples/judge_example.c or .py.
END
