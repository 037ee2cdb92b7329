#!/bin/bash
# Preparation of a corpus as a Slurm array of 16 tasks, and one job that puts their portions together:
#
#     array=$(sbatch --parsable --array=0-15 examples/cluster/slurm.sh /shared/corpus /shared/cache)
#     sbatch --dependency=afterok:$array --export=ALL,MERGE=16 examples/cluster/slurm.sh /shared/corpus /shared/cache
#
# The corpus and the cache are on a file system that all nodes share. A task that fails may be started again: it goes on
# with what it had stored.
#SBATCH --job-name=ser-prep
# As many processors as ser-prep has threads.
#SBATCH --cpus-per-task=8
# ser-prep needs about 100 MiB for each thread.
#SBATCH --mem=2G
#SBATCH --time=02:00:00
set -eu
corpus=$1 cache=$2

if [ -z "${MERGE-}" ]; then
    # Which portion this is, ser-prep reads from SLURM_ARRAY_TASK_ID, _MIN, _STEP and _COUNT.
    # Exit code 3, some recordings that cannot be used, is no failure of the task.
    ser-prep --data "$corpus" --out "$cache.portions/$SLURM_ARRAY_TASK_ID" --shard slurm \
        --jobs "$SLURM_CPUS_PER_TASK" || [ $? -eq 3 ]
else
    # Every portion, by the number of its task.
    portions=()
    for ((task = 0; task < MERGE; task++)); do portions+=("$cache.portions/$task"); done
    ser-prep --data "$corpus" --out "$cache" --merge "${portions[@]}"
fi
