#!/usr/bin/env bash
# Makes libsupcon1 and libsupcon-dev with dpkg's tools, of the library that is built.
#   bindings/debian/build.sh VERSION FOLDER
set -eu
cd "$(dirname "$0")/../.."
version=$1
mkdir -p "$2"
out=$(realpath "$2")
here=$PWD/bindings/debian
libdir=lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
architecture=$(dpkg-architecture -qDEB_HOST_ARCH)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f "$out"/libsupcon1_*.deb "$out"/libsupcon-dev_*.deb

make --no-print-directory install SWIFT= DEPS=none PREFIX=/usr "LIBDIR=$libdir" "DESTDIR=$work/all" >/dev/null
library=$work/libsupcon1 development=$work/libsupcon-dev
mkdir -p "$library/usr/$libdir" "$library/DEBIAN" "$development/DEBIAN"
mv "$work/all/usr/$libdir/libsupcon.so.1" "$library/usr/$libdir/"
chmod 644 "$library/usr/$libdir/libsupcon.so.1"
mv "$work/all/usr" "$development/"
gzip -9 --no-name "$development"/usr/share/man/man*/*
find "$work" -type d -exec chmod 755 {} +

# dpkg's tools read debian/control and debian/changelog of the folder that they run in.
mkdir "$work/debian"
cp "$here/control" "$work/debian/"
date=$(date -R ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"})
printf 'libsupcon (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' \
  "$version" "$(sed -n 's/^Maintainer: //p' "$here/control")" "$date" >"$work/debian/changelog"
cd "$work"
printf 'libsupcon 1 libsupcon1 (>= %s)\n' "$version" >"$library/DEBIAN/shlibs"
echo 'activate-noawait ldconfig' >"$library/DEBIAN/triggers"
dpkg-shlibdeps -Tsubstvars -S"$library" "$library/usr/$libdir/libsupcon.so.1"
for package in libsupcon1 libsupcon-dev; do
  doc=$work/$package/usr/share/doc/$package
  install -d "$doc"
  install -m 644 "$here/copyright" "$doc/copyright"
  gzip -9 --no-name --stdout "$here/../../CHANGELOG.md" >"$doc/changelog.gz"
  (cd "$package" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  dpkg-gencontrol -p"$package" -P"$package" -Tsubstvars -v"$version" -DArchitecture="$architecture" -O >"$package/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$package" "$out" >/dev/null
done
echo "Built $(cd "$out" && echo libsupcon*.deb) in $out"
