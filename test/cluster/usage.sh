#!/bin/sh
# usage.sh PROGRAM: what hs2net-cluster says to a wrong command line, and that
# it leaves nothing behind when it is interrupted.
set -u
program=$1
TMPDIR=$(mktemp -d)
export TMPDIR
n=0
bad=0

check() { # NAME CONDITION...
  name=$1
  shift
  n=$((n + 1))
  if "$@"; then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name"
    bad=1
  fi
}

refuses() { # TEXT ARGUMENT...: exit code 2, and the text on stderr
  text=$1
  shift
  out=$("$program" "$@" 2>&1 >/dev/null)
  [ $? = 2 ] && case $out in *"$text"*) true ;; *) echo "# said: $out" && false ;; esac
}

shows() { # TEXT ARGUMENT...: exit code 0, and the text on stdout
  text=$1
  shift
  out=$("$program" "$@" 2>/dev/null) && case $out in *"$text"*) true ;; *) false ;; esac
}

# The children die with their parent, even when it has no time to say goodbye.
leaves_no_process() { # SIGNAL
  [ -r /proc/$$/task/$$/children ] || return 0 # not in every kernel
  : >"$TMPDIR/out"
  "$program" --duration 30s --rate 100 --timer-ms 500 >>"$TMPDIR/out" 2>&1 &
  pid=$!
  until grep -q connected "$TMPDIR/out" || ! kill -0 $pid 2>/dev/null; do
    read -r _ <"$TMPDIR/never" || true
  done
  children=$(cat /proc/$pid/task/$pid/children)
  [ -n "$children" ] || return 1
  kill -"$1" $pid
  wait $pid 2>/dev/null
  code=$?
  for child in $children; do
    ends "$child" || return 1
  done
  [ $code != 0 ]
}

ends() { # PID: is gone, or a zombie that waits for init, in 10 s
  until=$(($(date +%s) + 10))
  while [ "$(date +%s)" -lt $until ]; do
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    case $stat in *') Z '*) return 0 ;; esac
  done
  return 1
}
: >"$TMPDIR/never" # reading its end takes no time, and needs no sleep

check 'names an unknown option' refuses '--wat: no such option' --wat
check 'says what a number must be' refuses 'from 4 to 64' --replicas 3
check 'asks for a missing value' refuses '--rate: wants' --rate
check 'takes no empty time' refuses '--duration: wants' --duration 0s
check 'takes values behind an equals sign' refuses '--fsync: wants on or off' --fsync=maybe
check 'knows two transports' refuses '--transport: wants quic or tcp' --transport udp
check 'knows of no uplink over TCP' refuses '--uplink-mbit: can' --transport tcp --uplink-mbit 5
check 'wants room for a block' refuses '--block-max-bytes: wants' --tx-bytes 65536 --block-max-bytes=70000
check 'says at once that a file cannot be written' refuses '/nonexistent/x: No such file' --json /nonexistent/x
check 'wants a namespace for each replica' refuses '--netns: wants an open' --netns 70
check 'points to the help' refuses '--help lists all options' x
check 'helps' shows 'Exit code: 0 all checks passed' --help
check 'tells its version' shows 'ngtcp2' --version
check 'interrupted, stops all it started' leaves_no_process INT
check 'interrupted, removes its folder' sh -c '! ls -d "$TMPDIR"/hs2net-cluster-* 2>/dev/null'
check 'killed, leaves no process' leaves_no_process KILL
rm -rf "$TMPDIR"
echo "1..$n"
exit $bad
