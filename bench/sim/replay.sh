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

# One bit elsewhere in what came in: the node does something else, and it is
# said where, which is not before the record that was changed.
replay() { "$sim" --replay "$dir/b" --identity "$dir/b.pem" >"$dir/out"; }
flip() {
  byte=$(od -An -tu1 -j "$1" -N 1 "$dir/b" | tr -d ' ')
  printf "\\$(printf %o $((byte ^ 16)))" | dd of="$dir/b" bs=1 seek="$1" conv=notrunc 2>"$dir/dd"
}
replay
size=$(sed -n 's/.* of \([0-9]*\) bytes.*/\1/p' "$dir/out")
differ=0
for part in 1 2 3 4 5 6 7 8; do
  at=$((size * part / 10))
  flip $at
  if ! replay; then
    named=$(sed -n 's/^differs at byte \([0-9]*\), entry [1-9][0-9]*: [a-z].*/\1/p' "$dir/out")
    [ "${named:-0}" -gt $((at - 70000)) ] && [ "$named" -le "$size" ] || exit 1
    differ=$((differ + 1))
  fi
  flip $at
done
[ $differ -ge 4 ]
replay
