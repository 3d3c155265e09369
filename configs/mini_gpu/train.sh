#!/usr/bin/env bash
# Trains the pictures and videos of mini_gpu in about ten minutes on one accelerator:
#
#     configs/mini_gpu/train.sh [key=value ...]
#
# Run it where runs/ shall be. The artwork of the full vocabulary must be built, see
# mosit_data/world/build_sprites.py. Each stage has so many seconds: at their end it saves what it has
# learned, as if it were asked to stop, and the next begins. `key=value` changes the runs of all stages,
# for a trial on a CPU.
set -uo pipefail

train() { # seconds stage [key=value ...]
  timeout --signal=TERM "$1" anygen train "mini_gpu/$2" "${@:3}"
  local code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 124 ]; then exit "$code"; fi
}

train 140 vae_image "$@"
train 70 caption "$@"
train 250 denoise_image "$@"
train 140 denoise_video "$@"
