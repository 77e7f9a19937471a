#!/bin/sh
# The transport and the peer layer know nothing of what is said on them: no
# object of theirs needs a symbol of the codec, the message layer or the node.
# symbols.sh ARCHIVE
set -eu
bad=$(nm -A "$1" 2>/dev/null |
  grep -E '[:/](link|quic|peer)_[a-z_]+\.c\.o:' |
  grep -E ' U hs2ni_(cbor|head|record|hello|msgs|chan|tx|rx|send|cast|session|node|posts)' || true)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
# A check that looks at nothing finds nothing.
nm -A "$1" 2>/dev/null | grep -q '[:/]peer_dial\.c\.o:'
