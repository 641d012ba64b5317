#!/usr/bin/env bash
# Installs libsupcon1 and libsupcon-dev into a root of their own, whose dpkg knows the packages of this system, builds and runs programs against them, and removes
# them again.
#   Tests/Packages/deb.sh FOLDER    (with the two .deb files)
set -eu
cd "$(dirname "$0")/../.."
folder=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
same() { [[ $1 == "$2" ]] || fail "expected $1, got $2"; }

version=$(sed -nE 's/^#define SUPCON_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' include/supcon.h | paste -sd.)
libdir=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
runtime=("$folder"/libsupcon1_*.deb) development=("$folder"/libsupcon-dev_*.deb)
field() { dpkg-deb --field "$1" "$2"; }
same "$version" "$(field "${runtime[0]}" Version)"
same "libsupcon1 (= $version)" "$(field "${development[0]}" Depends)"

# The dependencies are the packages that own what the library loads.
needed=$(readelf -d build/lib/libsupcon.so.1 | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p')
for name in $needed; do
  path=$(ldd build/lib/libsupcon.so.1 | sed -nE "s/^\s*$name => ([^ ]+) .*/\1/p")
  [[ -n $path ]] || continue # the loader
  package=$(dpkg-query -S "$(realpath "$path")" "$path" 2>/dev/null | head -n 1 | cut -d: -f1)
  [[ $(field "${runtime[0]}" Depends) == *"$package"* ]] || fail "$name is $package's, which Depends lacks: $(field "${runtime[0]}" Depends)"
done

# A root whose dpkg has this system's packages.
root=$work/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/log"
cp /var/lib/dpkg/status "$root/var/lib/dpkg/status"
cp /var/lib/dpkg/arch "$root/var/lib/dpkg/" 2>/dev/null || true
sed -i '/^Package: libsupcon\(1\|-dev\)$/,/^$/d' "$root/var/lib/dpkg/status"
in_root() { unshare --user --map-root-user dpkg --root="$root" --no-triggers "$@" >"$work/said" 2>&1 || { cat "$work/said"; fail "dpkg $*"; }; }
! unshare --user --map-root-user dpkg --root="$root" --no-triggers --install "${development[0]}" >/dev/null 2>&1 || fail "libsupcon-dev was configured without libsupcon1"
in_root --install "${runtime[0]}" "${development[0]}"
for file in "$libdir/libsupcon.so.1" "$libdir/libsupcon.so" /usr/include/supcon.h /usr/include/supcon.hpp /usr/include/supcon/core.hpp "$libdir/pkgconfig/supcon.pc" "$libdir/cmake/supcon/supconConfig.cmake" \
  /usr/share/man/man3/supcon.3.gz /usr/share/doc/libsupcon1/copyright /usr/share/doc/libsupcon-dev/copyright /usr/share/doc/libsupcon1/changelog.gz; do
  [[ -s $root$file ]] || fail "$file is missing"
done
(cd "$root" && md5sum --quiet --check var/lib/dpkg/info/libsupcon1*.md5sums) || fail "checksums"
! grep -rIl "$PWD\|$work" "$root/usr" || fail "paths of the build"

# Programs, by pkg-config and by CMake.
export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root$libdir/pkgconfig LD_LIBRARY_PATH=$root$libdir
same "$version" "$(pkg-config --modversion supcon)"
make -C examples/c OUT="$work/examples" SUPCON=installed CC=gcc >"$work/said" 2>&1 || { cat "$work/said"; fail "the examples"; }
same "$root$libdir/libsupcon.so.1" "$(ldd "$work/examples/loss" | sed -nE 's/.*libsupcon.so.1 => ([^ ]+) .*/\1/p')"
make -C examples/cpp OUT="$work/examples" CXX=g++ >"$work/said" 2>&1 || { cat "$work/said"; fail "the C++ example"; }
[[ $("$work/examples/similar" 2>&1) == usage* ]] || fail "the C++ example does not run"
[[ $("$work/examples/loss") == "loss "* ]] || fail "the example's loss"
mkdir "$work/cmake"
cat >"$work/cmake/outside.c" <<'END'
#include <stdio.h>
#include <supcon.h>
int main(void) { return puts(supcon_version()) < 0; }
END
printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(outside C)' "find_package(supcon $version REQUIRED)" 'add_executable(outside outside.c)' \
  'target_link_libraries(outside PRIVATE supcon::supcon)' >"$work/cmake/CMakeLists.txt"
{ cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_FIND_ROOT_PATH="$root" -DCMAKE_LIBRARY_ARCHITECTURE="$(basename "$libdir")" && cmake --build "$work/cmake/build"; } \
  >"$work/said" 2>&1 || { cat "$work/said"; fail "CMake"; }
same "$version" "$("$work/cmake/build/outside")"
# A package of such a program depends on libsupcon1.
mkdir -p "$work/client/debian"
printf 'Source: client\n\nPackage: client\nArchitecture: any\n' >"$work/client/debian/control"
printf 'libsupcon 1 libsupcon1 (>= %s)\n' "$version" >"$work/client/debian/shlibs.local"
[[ $(cd "$work/client" && dpkg-shlibdeps -O -l"$root$libdir" "$work/examples/loss" 2>/dev/null) == *"libsupcon1 (>= $version)"* ]] || fail "dpkg-shlibdeps of a program"

in_root --purge libsupcon-dev libsupcon1
same "" "$(find "$root" -path "$root/var" -prune -o -not -type d -print)"
echo "libsupcon1 and libsupcon-dev $version: installed, linked against by pkg-config and CMake, removed"
