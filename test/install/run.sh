#!/bin/sh
# run.sh BUILD_DIR USER_C LIBDIR: installs into an empty place, then builds and
# runs a user's program with what is there, linked both ways.
set -eu
build=$1
user=$2
libdir=$3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
cd "$root"
cp "$user" user.c
# As if the prefix had been in here.
sed -i "s|^prefix=|&$root|" "$root$libdir/pkgconfig/hs2net.pc"
export PKG_CONFIG_PATH="$root$libdir/pkgconfig:${PKG_CONFIG_PATH:-}"

# shellcheck disable=SC2046
cc -Wall -Werror -o shared user.c $(pkg-config --cflags --libs hs2net)
LD_LIBRARY_PATH="$root$libdir" ./shared
readelf -d shared | grep -q 'NEEDED.*libhs2net\.so\.0'

# Without the shared library the linker takes the archive; libcbor and libc
# stay shared, since distributions have no archive of libcbor.
rm "$root$libdir"/libhs2net.so*
# shellcheck disable=SC2046
cc -Wall -Werror -o static user.c $(pkg-config --static --cflags --libs hs2net)
./static

# The archive holds a TLS library; a program may have another one of its own.
others=$(nm -g --defined-only "$root$libdir/libhs2net.a" 2>/dev/null | awk 'NF == 3 && $3 !~ /^hs2n_/ { print $3 }')
if [ -n "$others" ]; then
  echo "global names in libhs2net.a that are not ours: $others"
  exit 1
fi
