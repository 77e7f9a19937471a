#!/bin/sh
# replay.sh HS2NET-SIM: records a node of a run, and replays what was recorded.
set -eu
sim=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here() { "$sim" --replicas 4 --seconds 3 --quiet "$@" >"$dir/out" 2>&1; }

# A replica among faults, and a plain node; each is replayed to its end.
here --record "$dir/a" --record-node 2 --identity "$dir/a.pem"
here --load --record "$dir/b" --identity "$dir/b.pem"
for one in a b; do
  "$sim" --replay "$dir/$one" --identity "$dir/$one.pem" >"$dir/out"
  grep -q 'the node did the same' "$dir/out"
  grep -q 'datagrams taken in' "$dir/out"
done

# Another's key, what is no recording, and half of what is needed are refused.
refused() { code=0; "$@" >"$dir/out" 2>&1 || code=$?; [ "$code" -eq "$want" ]; }
want=1
refused "$sim" --replay "$dir/a" --identity "$dir/b.pem"
refused "$sim" --replay "$dir/a.pem" --identity "$dir/a.pem"
refused "$sim" --replay "$dir/none" --identity "$dir/a.pem"
refused here --record "$dir/none/a" --identity "$dir/c.pem"
want=2
refused "$sim" --replay "$dir/a"
refused here --record "$dir/a" --identity "$dir/c.pem" --twice
refused here --record "$dir/a" --identity "$dir/c.pem" --record-node 4
