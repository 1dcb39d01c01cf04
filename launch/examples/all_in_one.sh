#!/bin/sh
# By hand, all in one: learners, actors and judges are one MPI job (MPMD). Simple to start
# under any batch system; the price is MPI's rule that the death of one ends all.
#
#   sh launch/examples/all_in_one.sh RUN_DIR [RANKS [ACTORS]]
set -eu

run=${1:?"usage: all_in_one.sh RUN_DIR [RANKS [ACTORS]]"}
ranks=${2:-1}
actors=${3:-$ranks}
bin=${MINOS_BIN:-build/bin}
env=${ENV:-crypt-vault}
mkdir -p "$run/control"
rm -f "$run/address"

# Ctrl-C once stops in order, twice at once. mpirun cannot pass that on, so it gets a
# session of its own, and the file tells rank 0; TERM kills all.
job= asked=
stop() {
    if [ -z "$asked" ] && [ -s "$run/address" ]; then
        asked=1
        echo stop >"$run/control/stop"
    else
        [ -z "$job" ] || kill "$job" 2>/dev/null || true
    fi
}
trap stop INT TERM

[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
setsid mpirun --bind-to none --oversubscribe \
    --mca mpi_yield_when_idle 1 --mca odls_base_sigkill_timeout 0 \
    -n "$ranks" "$bin/minos-learner" --mpi --run-dir="$run" --env="$env" \
    --steps="${STEPS:-2700000}" : \
    -n "$actors" "$bin/minos-actor" --mpi --run-dir="$run" --env="$env" : \
    -n 1 "$bin/minos-judge" --mpi --run-dir="$run" &
job=$!
while kill -0 $job 2>/dev/null; do # a signal ends a wait early
    wait $job && code=0 || code=$?
done
exit "$code"
