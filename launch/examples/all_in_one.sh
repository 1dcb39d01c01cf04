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
mkdir -p "$run"
rm -f "$run/address"

[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
exec mpirun --bind-to none --oversubscribe \
    --mca mpi_yield_when_idle 1 --mca odls_base_sigkill_timeout 5 \
    -n "$ranks" "$bin/minos-learner" --mpi --run-dir="$run" --env="$env" \
    --steps="${STEPS:-2700000}" : \
    -n "$actors" "$bin/minos-actor" --mpi --run-dir="$run" --env="$env" : \
    -n 1 "$bin/minos-judge" --mpi --run-dir="$run"
