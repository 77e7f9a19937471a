#!/bin/bash
# cached.sh HS2NET_SIM: a run with --cached has the hash of the same run without,
# with faults (memory that fails among them), with a twin, and of plain messages;
# and the second end of a handshake does find what the first has computed.
set -euo pipefail
sim=$1

die() {
  echo "cached.sh: $*" >&2
  exit 1
}

same() {
  local real cached known
  real=$("$sim" "$@" | awk 'length($2) == 16 {print $1, $2}')
  cached=$("$sim" "$@" --cached)
  known=$(sed -n 's/^known before: \([1-9][0-9]*\) of [0-9]* signatures, \([1-9][0-9]*\) of [0-9]* keys, \([1-9][0-9]*\) of .*/yes/p' <<<"$cached")
  cached=$(awk 'length($2) == 16 {print $1, $2}' <<<"$cached")
  [ -n "$real" ] && [ "$real" = "$cached" ] || die "$*: hashes $cached with --cached, $real without"
  [ "$known" = yes ] || die "$*: nothing was known"
}

same --seeds 3..5 --seconds 10
same --seed 2 --seconds 10 --twin --faults memory,crash
same --load --replicas 12 --profile lossy --seconds 1 --faults-every 0
