#!/usr/bin/env bash
# Tests of the C interface as programs outside meet it: the header, what the library exports, the examples, an installation, and a walk through the functions.
#   Tests/C/run.sh [WORD]    only the tests whose names have WORD in them
# Needs `make lib` to have run. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.."
tree=$PWD
library=$tree/build/lib/libsupcon.so.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
only=${1:-}
passed=0
failed=0
strict="-Wall -Wextra -Wpedantic -Werror"
link="-I$tree/include -L$tree/build/lib -lsupcon -Wl,-rpath,$tree/build/lib"

# check NAME COMMAND...: runs it; shows what it said only when it fails. Lines "N passed, N failed" of it are added to the count.
check() {
  local name=$1
  shift
  [[ $name == *"$only"* ]] || return 0
  local start=$SECONDS status=0
  ("$@") >"$work/output" 2>&1 </dev/null || status=$?
  local counts
  counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$work/output" | tail -n 1)
  if [[ -n $counts ]]; then passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* })); fi
  if ((status == 0)); then
    [[ -n $counts ]] || passed=$((passed + 1))
    printf 'ok      %-44s %3d s\n' "$name" $((SECONDS - start))
  else
    [[ -n $counts && ${counts#* } != 0 ]] || failed=$((failed + 1))
    printf 'FAILED  %-44s %3d s (status %d)\n' "$name" $((SECONDS - start)) "$status"
    sed 's/^/        /' "$work/output" | tail -n 60
  fi
}

# same EXPECTED ACTUAL: fails with the difference.
same() { [[ $1 == "$2" ]] || { diff <(echo "$1") <(echo "$2"); return 1; }; }
# refuses STATUS WORD COMMAND...: the command ends with that status, and says WORD.
refuses() {
  local wanted=$1 word=$2 status=0 said
  shift 2
  said=$("$@" 2>&1) || status=$?
  [[ $status == "$wanted" && $said == *"$word"* ]] || { echo "status $status (expected $wanted), and it said: $said"; return 1; }
}

# ------------------------------------------------------------------------------------------------------------------------ the header

header_in() {
  local compiler=$1 language=$2 standard=$3
  printf '#include "supcon.h"\n#include "supcon.h"\nint main(void) { return SUPCON_ABI_VERSION < 1; }\n' >"$work/header.source"
  "$compiler" -x "$language" "-std=$standard" $strict -Wshadow -Wstrict-prototypes -I include -fsyntax-only "$work/header.source" 2>"$work/said" ||
    { cat "$work/said"; return 1; }
}
header_in_cxx() {
  printf '#include <supcon.h>\n#include <supcon.h>\nint main() { supcon_loss_options o; supcon_loss_options_init(&o); return o.form; }\n' >"$work/header.cpp"
  "$1" -std=c++17 $strict -o "$work/header" "$work/header.cpp" $link && "$work/header"
}
hpp_in() {
  printf '#include <supcon.hpp>\n#include <supcon.hpp>\nint main() { supcon::TrainOptions o; return o.epochs == 0; }\n' >"$work/header.cpp"
  "$1" "-std=$2" $strict -Wshadow -I include -fsyntax-only "$work/header.cpp" || return 1
  for part in include/supcon/*.hpp; do "$1" "-std=$2" $strict -Wno-pragma-once-outside-header -x c++ -I include -fsyntax-only "$part" || return 1; done
}
for compiler in gcc clang; do command -v $compiler >/dev/null && check "header as C11 ($compiler)" header_in $compiler c c11; done
for compiler in g++ clang++; do command -v $compiler >/dev/null && check "header as C++17 ($compiler)" header_in_cxx $compiler; done
for compiler in g++ clang++; do for standard in c++17 c++20; do command -v $compiler >/dev/null && check "supcon.hpp as $standard ($compiler)" hpp_in $compiler $standard; done; done

# ----------------------------------------------------------------------------------------------------------------------- the library

# A name followed by "(" in the preprocessed header is a function; a callback's type is written (*name)( there.
header_functions() { gcc -E -P -x c include/supcon.h | grep -oE '\bsupcon_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u; }
exported() { nm -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ { print $3 }' | sort; }
# (What fills structs is called by a macro, where each struct is named; copying them is the language's.)
wrapped() {
  local missing
  missing=$(header_functions | grep -vE '_(init|copy)_sized$' | while read -r name; do grep -qw "$name" include/supcon/*.hpp || echo "$name"; done
    sed -nE 's/^void (supcon_[a-z_]+)_init_sized\(\1 \*.*/\1/p' include/supcon.h | while read -r name; do grep -qw "$name" include/supcon/*.hpp || echo "$name"; done)
  [[ -z $missing ]] || { echo "include/supcon/*.hpp lacks:" $missing; return 1; }
}
check "supcon.hpp wraps the header's functions and structs" wrapped
check "exports are the header's functions" same "$(header_functions)" "$(exported)"
soname() { readelf -d "$library" | sed -nE 's/.*\(SONAME\).*\[(.*)\]/\1/p'; }
check "soname" same libsupcon.so.1 "$(soname)"
# The system's, and the engines': no Swift library, no OpenBLAS beside oneDNN.
needs_only() {
  local others
  others=$(readelf -d "$library" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' |
    grep -vE '^(libc|libm|libstdc\+\+|libgcc_s|libdnnl|libgomp|libturbojpeg|libpng16|libwebp|libz|ld-linux[a-z0-9-]*)\.so(\.[0-9]+)?$')
  [[ -z $others ]] || { echo "also needs: $others"; return 1; }
}
check "needs the system and its engines only" needs_only
# It stays loaded until the process ends, and what calls go through is read-only by then.
hardened() {
  readelf -dW "$library" | grep -E 'FLAGS_1.*\bNOW\b' && readelf -dW "$library" | grep -E 'FLAGS_1.*\bNODELETE\b' &&
    readelf -lW "$library" | grep GNU_RELRO
}
check "nodelete, full RELRO" hardened
no_debris() { ! readelf -d "$library" | grep -E 'TEXTREL|RUNPATH.*/(home|root|build|opt)'; }
check "no text relocations, no paths of this machine" no_debris

# ------------------------------------------------------------------------------------------------------------- the released versions

check "ABI: today's keeps the recorded ones" python3 Tests/ABI/abi.py check "$library"
# The program of a released version; "future" is one of a header that has grown since.
program_of() {
  mkdir -p "$work/abi/$1" && gcc -std=gnu11 $strict -include "$2" -o "$work/abi/$1/program" Tests/ABI/program.c $link && "$work/abi/$1/program" "$work/abi/$1"
}
for header in Tests/ABI/*.h; do check "ABI: a program of $(basename "$header" .h)" program_of "$(basename "$header" .h)" "$header"; done
sed -E 's/^\} (supcon_[a-z_]+);$/  int64_t later;\n} \1;/' include/supcon.h >"$work/future.h"
# (All but the event and the trial, which the library makes.)
for made in event trial; do sed -i "/^typedef struct supcon_$made {/,/^} supcon_$made;/{/int64_t later;/d}" "$work/future.h"; done
check "ABI: a program of a later header" program_of future "$work/future.h"

# ---------------------------------------------------------------------------------------------------------------------- the functions

build_tests() {
  gcc -std=c11 $strict -O1 -g -o "$work/make_data" Tests/C/make_data.c Tests/C/images.c -Iinclude $(pkg-config --cflags --libs libpng libturbojpeg zlib) &&
    gcc -std=c11 $strict -O1 -g -pthread -o "$work/api_test" Tests/C/test_*.c Tests/C/images.c $link -lm && "$work/make_data" "$work/data"
}
check "build: test programs" build_tests
[[ -x $work/api_test ]] || build_tests >/dev/null 2>&1
data=$work/data
for part in general sizes buffers messages loss datasets files augmentation models model_files training search presets allocations evaluation measures threads process isolation fork; do
  check "functions: $part" timeout 120 "$work/api_test" "$data" $part
done
cxx_test() {
  "$1" "-std=$2" $strict -O1 -g -pthread -o "$work/cxx_test" Tests/CXX/test_cxx.cpp $link && timeout 120 "$work/cxx_test" "$data"
}
check "supcon.hpp (g++, C++17)" cxx_test g++ c++17
command -v clang++ >/dev/null && check "supcon.hpp (clang++, C++20)" cxx_test clang++ c++20
# Other CPUs, emulated: without AVX, and with AVX2 alone. They share nothing with this one but the library. (The presets take long.)
emulated() { timeout 180 qemu-x86_64 -cpu "$1" "$work/api_test" "$data" "$2" 2>&1; }
emulates() {
  printf '#include <stdio.h>\n#include <supcon.h>\nint main(void) { return !puts(supcon_build_info()); }\n' >"$work/info.c"
  gcc -o "$work/info" "$work/info.c" $link && [[ $(qemu-x86_64 -cpu "$1" "$work/info" 2>&1) == *"CPU $2, "*"precision f32"* ]]
}
for cpu in Nehalem:baseline Haswell:AVX2; do
  check "the library sees an emulated ${cpu%:*}" emulates ${cpu%:*} ${cpu#*:}
  for part in general loss augmentation models model_files measures; do check "functions on ${cpu%:*}: $part" emulated ${cpu%:*} $part; done
done
check "functions on Nehalem: presets" emulated Nehalem presets
full_disk() {
  (
    trap '' XFSZ
    ulimit -f 16
    exec "$work/api_test" "$data" full_disk
  ) && same "" "$(ls -A "$data/no_room")"
}
check "functions: a full disk leaves nothing" full_disk

# ----------------------------------------------------------------------------------------------------------------------- the examples

examples=$work/examples
check "examples: build without a warning" make -C examples/c OUT="$examples" CC=gcc
[[ -x $examples/loss ]] || make -C examples/c OUT="$examples" CC=gcc >/dev/null 2>&1
small="--width 8 --batch 16 --epochs 2 --threads 2"
loss_of_points() {
  local said before after
  said=$("$examples/loss") || return 1
  before=$(sed -nE 's/^loss ([0-9.]+) over 6 anchors$/\1/p' <<<"$said")
  after=$(sed -nE 's/^after a step .*: ([0-9.]+)$/\1/p' <<<"$said")
  awk -v a="$after" -v b="$before" 'BEGIN { exit !(b > 0 && a < b) }' || { echo "$said"; return 1; }
}
# Two classes at right angles with τ = 1/2: log(1 + 2/e²) = 0.239544…
loss_of_file() {
  printf '0,1,0\n0,2,0\n1,0,1\n1,0,3\n' >"$work/points.csv"
  same "loss 0.239545 over 4 anchors" "$("$examples/loss" --temperature 0.5 --gradient "$work/gradient.csv" "$work/points.csv" | head -n 1)" &&
    same 4 "$(wc -l <"$work/gradient.csv")"
}
check "examples: loss of its own points" loss_of_points
check "examples: loss of a file" loss_of_file
printf '0,1,0\n0,2\n' >"$work/ragged.csv"
check "examples: loss names the bad line" refuses 1 "line 2" "$examples/loss" "$work/ragged.csv"

# The README's program, as it stands there; it is given the folder that it names.
readme() {
  mkdir -p "$work/readme" && sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d' >"$work/readme/learn.c" && [[ -s $work/readme/learn.c ]] &&
    gcc -std=c11 $strict -o "$work/readme/learn" "$work/readme/learn.c" $link && cd "$work/readme" &&
    refuses 1 "photos" ./learn
}
check "examples: the README's, without its folder" readme
train_idx() { "$examples/train" $small "$work/idx.safetensors" "$data/images.idx" "$data/labels.idx" && [[ -s $work/idx.safetensors ]]; }
train_folder() {
  "$examples/train" $small --size 16 --batch 8 "$work/folder.safetensors" "$data/folder" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
  [[ -s $work/folder.safetensors ]] && grep -q 'Left out: .*broken.png: ' "$work/said"
}
embed_npy() {
  "$examples/embed_folder" "$work/idx.safetensors" "$work/idx.npy" "$data/images.idx" || return 1
  same "$((128 + 96 * 64 * 4))" "$(stat -c %s "$work/idx.npy")" && same "(96, 64)" "$(head -c 128 "$work/idx.npy" | grep -aoE '\([0-9]+, [0-9]+\)')"
}
embed_csv() {
  "$examples/embed_folder" --output probabilities --batch 5 "$work/folder.safetensors" "$work/folder.csv" "$data/folder" || return 1
  same "path,class,e0,e1" "$(head -n 1 "$work/folder.csv")" && same 24 "$(tail -n +2 "$work/folder.csv" | wc -l)" &&
    same 12 "$(grep -cE '^"[^"]*/folder/blue/[0-9]+\.(png|jpg)","blue",[0-9.e+-]+,[0-9.e+-]+$' "$work/folder.csv")"
}
embed_files() {
  "$examples/embed_folder" --raw "$work/folder.safetensors" "$work/files.npy" "$data"/folder/red/1.jpg "$data"/folder/blue/0.png &&
    same "$data/folder/red/1.jpg"$'\n'"$data/folder/blue/0.png" "$(cat "$work/files.npy.txt")"
}
check "examples: train on IDX" train_idx
check "examples: train on a folder" train_folder
check "examples: embed IDX to npy" embed_npy
check "examples: embed a folder to CSV" embed_csv
check "examples: embed files to npy and paths" embed_files
check "examples: embed without a model" refuses 1 "nowhere.safetensors" "$examples/embed_folder" "$work/nowhere.safetensors" "$work/a.csv" "$data/folder"
check "examples: embed to nowhere" refuses 1 "nowhere" "$examples/embed_folder" "$work/idx.safetensors" "$work/nowhere/a.csv" "$data/images.idx"
check "examples: a wrong option" refuses 2 "usage" "$examples/train" --color blue "$work/x.safetensors" "$data/folder"

# Ctrl-C after the first epoch: it stops, saves, and says by its status that it was stopped.
interrupted() {
  "$examples/train" --width 8 --batch 16 --epochs 100000 "$work/stopped.safetensors" "$data/images.idx" "$data/labels.idx" 2>"$work/progress" >/dev/null &
  local process=$! status=0
  for ((i = 0; i < 200; ++i)); do
    grep -q '^epoch 1/' "$work/progress" && break
    sleep 0.1
  done
  kill -INT $process
  wait $process || status=$?
  same 130 $status && [[ -s $work/stopped.safetensors ]] && grep -q '^Stopped' "$work/progress"
}
check "examples: Ctrl-C keeps what was learned" interrupted

# -------------------------------------------------------------------------------------------------------------------- an installation

prefix=$work/prefix
cat >"$work/outside.c" <<'END'
#include <supcon.h>
#include <stdio.h>
int main(void) {
  const float features[] = {1, 0, 1, 0, 0, 1, 0, 1};
  const int64_t labels[] = {0, 0, 1, 1};
  supcon_loss_result result;
  supcon_loss_result_init(&result);
  if (supcon_loss(NULL, features, 4, 1, 2, labels, NULL, NULL, &result, NULL, NULL) != SUPCON_OK) return 1;
  printf("%s %d\n", supcon_version(), result.loss > 0 && result.loss < 0.001);
  return 0;
}
END
version=$(sed -nE 's/^#define SUPCON_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' include/supcon.h | paste -sd.)
by_pkg_config() {
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  mkdir -p "$work/outside" && cd "$work/outside" && same "$version" "$(pkg-config --modversion supcon)" &&
    gcc -o outside "$work/outside.c" $(pkg-config --cflags --libs supcon) && same "$version 1" "$(./outside)"
}
by_cmake() {
  mkdir -p "$work/cmake" && cd "$work/cmake" && cp "$work/outside.c" .
  printf '%s\n' 'cmake_minimum_required(VERSION 3.13)' 'project(outside C)' "find_package(supcon $version REQUIRED)" 'add_executable(outside outside.c)' \
    'target_link_libraries(outside PRIVATE supcon::supcon)' >CMakeLists.txt
  cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" && cmake --build build && same "$version 1" "$(build/outside)" || return 1
  sed -i "s/supcon $version/supcon 99/" CMakeLists.txt
  ! cmake -S . -B build2 -DCMAKE_PREFIX_PATH="$prefix"
}
# The examples, copied out of the tree.
examples_installed() {
  cp -r examples/c examples/cpp "$work/" && export PKG_CONFIG_PATH=$prefix/lib/pkgconfig && make -C "$work/c" OUT="$work/installed" CC=gcc && "$work/installed/loss" &&
    make -C "$work/cpp" OUT="$work/installed" CXX="g++ -Werror" && similar "$work/installed/similar"
}
examples_by_cmake() {
  local language
  for language in c cpp; do
    cmake -S "examples/$language" -B "$work/by_cmake/$language" -DCMAKE_PREFIX_PATH="$prefix" && cmake --build "$work/by_cmake/$language" || return 1
  done
  "$work/by_cmake/c/loss" && similar "$work/by_cmake/cpp/similar"
}
# A red image's nearest are red, and the broken file is named.
similar() {
  "$1" --epochs 2 --size 16 "$data/folder" "$data/folder/red/1.jpg" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
  grep -q 'left out: .*broken.png' "$work/said" && same 1 "$(grep -c "^$data/folder/red/1.jpg\$" "$work/said")" && same 5 "$(grep -c '^  [a-z]*  /' "$work/said")" &&
    same "  red  $data/folder/red/1.jpg" "$(grep -m 1 '^  ' "$work/said")" && refuses 1 usage "$1" && refuses 1 "nowhere" "$1" "$data/nowhere" x.jpg
}
staged() {
  make install SWIFT= DEPS=none PREFIX=/usr DESTDIR="$work/stage" && [[ -f $work/stage/usr/lib/libsupcon.so.1 ]] &&
    ! grep -E "rpath|$work" "$work/stage/usr/lib/pkgconfig/supcon.pc"
}
# pkg-config writes a space as "\ ", which a shell reads on its second look.
with_a_space() {
  local prefix="$work/a prefix"
  make install SWIFT= DEPS=none PREFIX="$prefix" &&
    eval "gcc -o '$work/spaced' '$work/outside.c' $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs supcon)" && same "$version 1" "$("$work/spaced")" &&
    make uninstall PREFIX="$prefix" && same "" "$(find "$prefix" -not -type d)"
}
uninstalled() { make uninstall PREFIX="$prefix" && same "" "$(find "$prefix" -not -type d)"; }
check "install into a prefix" make install SWIFT= DEPS=none PREFIX="$prefix"
check "install: a program by pkg-config" by_pkg_config
command -v cmake >/dev/null && check "install: a program by CMake" by_cmake
# The manual page names the header's functions, and man has nothing to complain of.
manual() {
  local page=$prefix/share/man/man3/supcon.3
  same "$(header_functions)" "$(sed -nE 's/^\.BR (supcon_[a-z0-9_]+) \(\)$/\1/p' "$page" | sort -u)" && grep -q "libsupcon $version" "$page" || return 1
  ! command -v man >/dev/null || same "" "$(MANROFFSEQ='' MANWIDTH=100 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)"
}
check "install: the manual page" manual
check "install: the example programs" examples_installed
command -v cmake >/dev/null && check "install: the example programs by CMake" examples_by_cmake
check "install for a package (DESTDIR)" staged
check "install into a prefix with a space" with_a_space
check "uninstall leaves nothing" uninstalled

echo "$passed passed, $failed failed"
((failed == 0))
