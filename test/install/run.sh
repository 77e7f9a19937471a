#!/bin/sh
# run.sh BUILD_DIR LIBDIR USER_C USER_SIM_C: installs into an empty place, then
# builds and runs users' programs with what is there, linked both ways.
set -eu
build=$1
libdir=$2
user=$3
user_sim=$4
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
cd "$root"
cp "$user" hs2net.c
cp "$user_sim" hs2net-sim.c
# As if the prefix had been in here.
sed -i "s|^prefix=|&$root|" "$root$libdir"/pkgconfig/*.pc
export PKG_CONFIG_PATH="$root$libdir/pkgconfig:${PKG_CONFIG_PATH:-}"

for name in hs2net hs2net-sim; do
  # shellcheck disable=SC2046
  cc -Wall -Werror -o "shared-$name" "$name.c" $(pkg-config --cflags --libs "$name")
  LD_LIBRARY_PATH="$root$libdir" "./shared-$name"
  readelf -d "shared-$name" | grep -q "NEEDED.*lib$name\.so\.0"
done

# Without the shared libraries the linker takes the archives; libcbor and libc
# stay shared, since distributions have no archive of libcbor.
rm "$root$libdir"/libhs2net*.so*
for name in hs2net hs2net-sim; do
  # shellcheck disable=SC2046
  cc -Wall -Werror -o "static-$name" "$name.c" $(pkg-config --static --cflags --libs "$name")
  "./static-$name"
done

# The archive holds a TLS library; a program may have another one of its own.
others=$(nm -g --defined-only "$root$libdir"/libhs2net*.a 2>/dev/null | awk 'NF == 3 && $3 !~ /^hs2n_/ { print $3 }')
if [ -n "$others" ]; then
  echo "global names in the archives that are not ours: $others"
  exit 1
fi
