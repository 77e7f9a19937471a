#!/bin/bash
# cached.sh HS2NET_SIM: a run with --cached has the hash of the same run without.
set -euo pipefail

hash_of() {
  "$@" --seed 3 --seconds 10 | awk 'length($2) == 16 {print $2}'
}
real=$(hash_of "$1")
cached=$(hash_of "$1" --cached)
[ -n "$real" ] && [ "$real" = "$cached" ] || {
  echo "cached.sh: hash $cached with --cached, $real without" >&2
  exit 1
}
