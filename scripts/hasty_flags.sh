#!/bin/sh
# Print flags with which XLA compiles fast and programs run slowly, for tests.
#
#   scripts/hasty_flags.sh PYTHON
#
# XLA ends the process at a flag that its version does not know: each is tried.
set -u

python=$1
flags=

for flag in \
    --xla_backend_optimization_level=0 \
    --xla_llvm_disable_expensive_passes=true \
    --xla_cpu_use_fusion_emitters=false; do
    if XLA_FLAGS=$flag "$python" -c 'import jax; jax.devices()' >/dev/null 2>&1; then
        flags="$flags $flag"
    fi
done

echo "$flags"
