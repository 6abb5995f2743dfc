#!/usr/bin/env bash
# How fast kerasae trains on the GPU of this machine, beside PyTorch loops, in one table and within 8 minutes.
# Needs keras, PyTorch and JAX, and what kerasae imports beside them; no TensorFlow. On a CPU: benchmarks/gpu.sh --small
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} MPLBACKEND=agg
# Of the memory of the GPU each process takes what it needs.
export XLA_PYTHON_CLIENT_PREALLOCATE=false
models=ae:128,ae:1024,ae:4096,codec:16,codec:64 images=49152 seconds=4 rounds=3 peers=plain,compiled,graph
if [ "${1:-}" = --small ]; then
    models=ae:32,codec:8 images=64 seconds=0.1 rounds=1 peers=plain,graph
    shift
fi
timeout 480 python -m kerasae bench --models "$models" --images "$images" --seconds "$seconds" --rounds "$rounds" \
    --peers "$peers" --backends "${BACKENDS:-jax,torch}" --bounds "$@"
