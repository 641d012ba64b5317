#!/usr/bin/env bash
# The C tests and the soak's drivers over a library that sanitizers watch, in builds of their own:
#   Tests/Sanitizers/run.sh address   AddressSanitizer, its leak check, and UndefinedBehaviorSanitizer in the C kernels
#   Tests/Sanitizers/run.sh thread    ThreadSanitizer; without oneDNN, whose OpenMP it does not understand: our own threads compute everything
# Needs the Swift toolchain's clang, whose sanitizers are those of the library. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.."
kind=${1:?address or thread}
swift=$(command -v "${SWIFT:-swift}")
clang=$(dirname "$swift")/clang
scratch=$PWD/.build-$kind
library=$scratch/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
passed=0
failed=0

# lld: the linker that Debian's clang would choose cannot export the runtime's symbols.
flags=(-O1 -g -pthread -fuse-ld=lld -DSANITIZED -Iinclude -L"$library" -Wl,-rpath,"$library")
case $kind in
address)
  undefined=(-fsanitize=undefined -fno-sanitize-recover=undefined)
  swift_flags=(--sanitize=address)
  for flag in "${undefined[@]}"; do swift_flags+=(-Xcc "$flag"); done
  flags+=(-fsanitize=address "${undefined[@]}")
  extra=()
  export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
  ;;
thread)
  # It sees accesses of up to 16 bytes, and so nothing of loops over wider vectors: no loop becomes one here.
  swift_flags=(--sanitize=thread --disable-default-traits)
  for flag in -fno-vectorize -fno-slp-vectorize -mllvm -force-vector-width=1 -mllvm -force-vector-interleave=1; do swift_flags+=(-Xcc "$flag"); done
  # The toolchain's runtime knows Swift's libdispatch, and wants it.
  runtime=$(dirname "$swift")/../lib/swift/linux
  flags+=(-fsanitize=thread -Wl,--export-dynamic)
  extra=(Tests/Sanitizers/mutex.c -L"$runtime" -ldispatch -lBlocksRuntime -Wl,-rpath,"$runtime")
  # It tells of no race whose first access it has forgotten, which it does after a few thousand others by default; and by default Swift's own watches
  # neither memcpy nor memset.
  export TSAN_OPTIONS=die_after_fork=0:history_size=7:ignore_interceptors_accesses=0
  ;;
*)
  echo "$kind: expected address or thread" >&2
  exit 2
  ;;
esac

# check NAME COMMAND...: runs it; shows what it said only when it fails.
check() {
  local name=$1 start=$SECONDS status=0
  shift
  ("$@") >"$work/said" 2>&1 </dev/null || status=$?
  if ((status == 0)); then
    passed=$((passed + 1))
    printf 'ok      %-28s %3d s\n' "$name" $((SECONDS - start))
  else
    failed=$((failed + 1))
    printf 'FAILED  %-28s %3d s (status %d)\n' "$name" $((SECONDS - start)) "$status"
    tail -n 60 "$work/said" | cut -c1-200 | sed 's/^/        /'
  fi
}

"$swift" build -c release "${swift_flags[@]}" --scratch-path "$scratch" --product supcon --quiet >"$work/said" 2>&1 || { cat "$work/said"; exit 1; }
ln -sf libsupcon.so "$library/libsupcon.so.1"
program() { "$clang" -std=gnu11 -o "$work/$1" "${@:2}" "${flags[@]}" -lsupcon "${extra[@]}" -lm; }
program api_test Tests/C/test_*.c Tests/C/images.c || exit 1
for name in calls fuzz kill misuse ranks; do program $name Tests/Soak/$name.c || exit 1; done
program sees Tests/Sanitizers/sees.c || exit 1
gcc -std=c11 -o "$work/make_data" Tests/C/make_data.c Tests/C/images.c -Iinclude $(pkg-config --cflags --libs libpng libturbojpeg zlib) &&
  "$work/make_data" "$work/data" || exit 1
data=$work/data

# sees WORD KIND: a mistake of the host's is found, or nothing below says anything.
sees() {
  ! "$work/sees" "$2" >"$work/seen" 2>&1 && grep -q "$1" "$work/seen" || { cat "$work/seen"; return 1; }
}
undefined_is_watched() { nm -D "$library/libsupcon.so" | grep -q __ubsan_handle_add_overflow; }
driver() {
  mkdir -p "$work/folder/$1-$2" && "$work/$1" "$2" "$work/folder/$1-$2" "${@:3}"
}
ranks() { mkdir -p "$work/folder/ranks" && "$work/ranks" "$work/folder/ranks" "$1"; }
calls() { mkdir -p "$work/folder/calls" && "$work/calls" "$work/folder/calls" "$@"; }

if [[ $kind == address ]]; then
  check "sees a buffer that is short" sees heap-buffer-overflow short
  check "watches undefined behavior" undefined_is_watched
  for part in general sizes buffers messages loss datasets files augmentation models model_files training search presets evaluation measures threads process isolation fork; do
    check "functions: $part" "$work/api_test" "$data" $part
  done
  check "calls" calls 100
  check "ranks" ranks 8
  # Damaged files; those of the soak's seeds that a test has at hand.
  fixtures=Tests/SupConVisionTests/Fixtures
  check "seeds" "$work/kill" --run joint 1 f32 "$work/seed" "$work/seed.safetensors" 2
  fuzzed() {
    mkdir -p "$work/folder/fuzz-$1" && cp $fixtures/images.idx "$work/folder/fuzz-$1" && "$work/fuzz" "$1" "$2" "$work/folder/fuzz-$1" "$3"
  }
  check "fuzz: model" fuzzed model "$work/seed.safetensors" 2000
  check "fuzz: model-foreign" fuzzed model-foreign Tests/SupConModelTests/Fixtures/torchvision.safetensors 1000
  check "fuzz: checkpoint" fuzzed checkpoint "$work/seed/last.supcon" 200
  check "fuzz: idx" fuzzed idx $fixtures/images.idx 2000
  check "fuzz: labels" fuzzed labels $fixtures/labels.idx 2000
  check "fuzz: png" fuzzed png $fixtures/rgb8.png 2000
  check "fuzz: png-interlaced" fuzzed png-interlaced $fixtures/rgb8_interlaced.png 1000
  check "fuzz: png-zipped" fuzzed png-zipped $fixtures/profile6_zipped.png 1000
  check "fuzz: jpeg" fuzzed jpeg $fixtures/rgb420.jpg 2000
  check "fuzz: jpeg-progressive" fuzzed jpeg-progressive $fixtures/progressive.jpg 1000
  check "fuzz: jpeg-exif" fuzzed jpeg-exif $fixtures/orientation6.jpg 1000
  check "fuzz: webp" fuzzed webp $fixtures/lossy.webp 1000
  check "fuzz: webp-lossless" fuzzed webp-lossless $fixtures/lossless.webp 1000
  for how in reentry fork rounding again; do check "misuse: $how" driver misuse $how; done
else
  for race in host writes reads calls; do check "sees a race: $race" sees "data race" $race; done
  check "sees none where none is" "$work/sees" none
  # (The group of messages computes on one thread.)
  for part in general loss models training measures threads process fork; do check "functions: $part" "$work/api_test" "$data" $part; done
  check "calls" calls 60
  check "ranks" ranks 12
  for how in reentry fork threads again; do check "misuse: $how" driver misuse $how; done
fi
echo "$passed passed, $failed failed"
((failed == 0))
