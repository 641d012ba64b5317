#!/usr/bin/env bash
# A library of tomorrow: built from today's sources and a header in which every struct with a size has one more field, in build/grown. The programs of the
# released versions, and today's, must work with it, each with its own smaller structs.
set -eu
cd "$(dirname "$0")/../.."
tree=$PWD
grown=$tree/build/grown
mkdir -p "$grown/include"
for name in Package.swift Sources Tests Benchmarks examples; do ln -sfn "$tree/$name" "$grown/$name"; done
cp include/module.modulemap "$grown/include/"
# A larger first size would be a larger header's first release: the sizes that SizedStruct.swift has stay.
sed -E 's/^\} (supcon_[a-z_]+);$/  int64_t grown;\n} \1;/' include/supcon.h >"$grown/include/supcon.h"
[[ $(grep -c 'int64_t grown;' "$grown/include/supcon.h") -ge 22 ]]
${SWIFT:-swift} build --package-path "$grown" --product supcon --quiet
ln -sf libsupcon.so "$grown/.build/debug/libsupcon.so.1"
for header in include/supcon.h Tests/ABI/*.h; do
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  gcc -std=gnu11 -Wall -Wextra -Wpedantic -Werror -include "$header" Tests/ABI/program.c -o "$folder/program" \
    -L"$grown/.build/debug" -Wl,-rpath,"$grown/.build/debug" -lsupcon
  mkdir "$folder/run"
  LD_LIBRARY_PATH="$grown/.build/debug" "$folder/program" "$folder/run"
done
