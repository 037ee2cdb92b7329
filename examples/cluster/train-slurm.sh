#!/bin/bash
# Training of one network by 8 tasks of Slurm, each a rank:
#
#     sbatch examples/cluster/train-slurm.sh /shared/cache /shared/runs/big [OPTION...]
#
# The cache and the folder of the run are on a file system that all nodes share. A job that Slurm starts again goes on from
# the run's last checkpoint.
#SBATCH --job-name=ser-fit
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=8
#SBATCH --time=08:00:00
#SBATCH --requeue
set -eu
cache=$1 run=$2
shift 2

# Who each task is, ser-fit reads from SLURM_PROCID and SLURM_STEP_NUM_TASKS; where rank 0 is, from these.
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=29500
export MASTER_ADDR MASTER_PORT
srun --kill-on-bad-exit=1 ser-fit --cache "$cache" --run "$run" --threads "$SLURM_CPUS_PER_TASK" "$@"
