#!/bin/sh
# By hand, elastic: only the learner ranks are one MPI job. Actors and judges are plain
# processes that come and go; when the learner dies they keep their segments and answers
# and join again when it is started again.
#
#   sh launch/examples/elastic.sh RUN_DIR [RANKS [ACTORS]]
set -eu

run=${1:?"usage: elastic.sh RUN_DIR [RANKS [ACTORS]]"}
ranks=${2:-1}
actors=${3:-$ranks}
bin=${MINOS_BIN:-build/bin}
mkdir -p "$run/logs" "$run/control"
rm -f "$run/address"

# Ctrl-C once stops in order, twice at once. mpirun cannot pass that on, so it gets a
# session of its own, and the file tells rank 0; TERM kills the ranks.
learner= asked=
stop() {
    if [ -z "$asked" ] && [ -s "$run/address" ]; then
        asked=1
        echo stop >"$run/control/stop"
    else
        [ -z "$learner" ] || kill "$learner" 2>/dev/null || true
    fi
}
trap stop INT TERM

# mpirun refuses root unless told twice.
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
setsid mpirun -n "$ranks" --bind-to none --oversubscribe \
    --mca mpi_yield_when_idle 1 --mca odls_base_sigkill_timeout 0 \
    "$bin/minos-learner" --run-dir="$run" --env="${ENV:-crypt-vault}" \
    --steps="${STEPS:-2700000}" &
learner=$!
while [ ! -s "$run/address" ]; do
    kill -0 $learner 2>/dev/null || exit 1
    sleep 0.2
done
# Each of these could as well be started on another host, with
# --learner=$(cat "$run/address") in place of --run-dir and the same --env.
"$bin/minos-judge" --run-dir="$run" 2>>"$run/logs/judge-0.log" &
i=0
while [ $i -lt "$actors" ]; do
    "$bin/minos-actor" --run-dir="$run" --env="${ENV:-crypt-vault}" --id=$i \
        2>>"$run/logs/actor-$i.log" &
    i=$((i + 1))
done
echo "stop it in order with: $bin/minos stop --run-dir=$run"
while kill -0 $learner 2>/dev/null; do # a signal ends a wait early
    wait $learner && code=0 || code=$?
done
wait
exit "$code"
