#!/bin/bash
# minos under Slurm: sbatch launch/examples/slurm.sh RUN_DIR [--NAME=VALUE ...]
#
# Two nodes: ranks on both under mpirun, actors on both under srun, the judge on the first.
# Slurm sends USR1 90 seconds before the time limit: the ranks then stop in order, with a
# last checkpoint, and the job can be submitted again with the same RUN_DIR to go on.
#SBATCH --job-name=minos
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=16
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@90
set -eu

run=${1:?"usage: sbatch slurm.sh RUN_DIR [--NAME=VALUE ...]"}
shift
bin=${MINOS_BIN:-build/bin}
ranks=8
actors_per_node=8
mkdir -p "$run"
rm -f "$run/address"

# Segments and verdicts lie on a local disk: LMDB does not work on a network file system.
store=${SLURM_TMPDIR:-/tmp}/minos-$SLURM_JOB_ID

mpirun -n $ranks --map-by ppr:4:node --bind-to none \
    --mca mpi_yield_when_idle 1 --mca odls_base_sigkill_timeout 5 \
    "$bin/minos-learner" --run-dir="$run" --store-dir="$store" --bind=0.0.0.0 "$@" &
learner=$!
# mpirun passes USR1 on to the ranks; to minos it means: stop in order.
trap 'kill -USR1 $learner' USR1

while [ ! -s "$run/address" ]; do
    kill -0 $learner 2>/dev/null || exit 1
    sleep 1
done
srun --ntasks=1 --nodes=1 --overlap "$bin/minos-judge" --run-dir="$run" &
srun --ntasks=$((SLURM_NNODES * actors_per_node)) \
    --ntasks-per-node=$actors_per_node --overlap "$bin/minos-actor" --run-dir="$run" &

# A trapped signal ends wait early, so wait until the learner is really gone.
while kill -0 $learner 2>/dev/null; do
    wait $learner && code=0 || code=$?
done
wait
exit "$code"
