#!/bin/sh
# headers.sh DIR HEADER...: each public header must compile on its own, twice,
# as C11, C99 and C++17; and the build must know every header in DIR.
set -eu
dir=$1
shift
bad=0

try() {
  printf '#include <hs2net/%s>\n#include <hs2net/%s>\nextern int nothing;\n' "$name" "$name" |
    "$@" -Wall -Wextra -Werror -pedantic-errors -fsyntax-only -I"$dir" - || {
    echo "$name: $*"
    bad=1
  }
}

for header in "$@"; do
  name=${header##*/}
  # CC may be a compiler with arguments.
  # shellcheck disable=SC2086
  try $CC -x c -std=c11
  try $CC -x c -std=c99
  if command -v c++ >/dev/null; then
    try c++ -x c++ -std=c++17
  fi
done

for file in "$dir"/hs2net/*.h; do
  case " $* " in
  *"/${file##*/} "*) ;;
  *) echo "${file##*/} is not listed in include/meson.build"; bad=1 ;;
  esac
done
exit $bad
