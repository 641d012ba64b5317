#!/usr/bin/env bash
# What an unfriendly world does to the library: damaged files, calls of any kind, a system that says no, kills, misuse.
#   Tests/Soak/run.sh short [WORD]   the beginning of each part, two minutes in all; only the parts whose names contain WORD
#   Tests/Soak/run.sh long [WORD]    all of it, within SOAK_MINUTES (default 180) of wall clock; what is done stays done in build/soak, and another
#                                    run goes on from there; SOAK_FRESH=1 begins anew; SOAK_SECONDS (default 600) of CPU time for each file format
#                                    that is fuzzed, which its variants share. build/soak/figures holds a line for each part
# Needs `make lib` to have run. Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.."
form=${1:-short}
only=${2:-}
library=$PWD/build/lib/libsupcon.so.1
[[ -f $library ]] || { echo "Nothing is built yet: run make first" >&2; exit 1; }
if [[ $form == long ]]; then
  state=$PWD/build/soak
  [[ -z ${SOAK_FRESH:-} ]] || rm -rf "$state"
  # What was found out about another build of the library does not count.
  mkdir -p "$state"
  sum=$(sha256sum "$library" | cut -d' ' -f1)
  [[ $(cat "$state/library" 2>/dev/null) == "$sum" ]] || rm -rf "$state"/{done,next,figures,seeds}
  echo "$sum" >"$state/library"
else
  state=$(mktemp -d)
  trap 'rm -rf "$state"' EXIT
fi
trap 'exit 1' INT TERM
bin=$state/bin
work=$state/work
rm -rf "$work"
mkdir -p "$bin" "$work" "$state/done" "$state/next"
minutes=${SOAK_MINUTES:-180}
long=${SOAK_SECONDS:-600}
passed=0
failed=0
left=0

for name in calls counts faults fuzz kill memory misuse ranks; do
  gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -Iinclude "Tests/Soak/$name.c" -o "$bin/$name" -Lbuild/lib -Wl,-rpath,"$PWD/build/lib" -lsupcon -lpthread -lm || exit 1
done
gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror Tests/Soak/unload.c -o "$bin/unload" -lpthread -ldl || exit 1
gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -shared -fPIC Tests/Soak/interpose.c -o "$bin/interpose.so" -ldl || exit 1

# part NAME COMMAND...: runs it if it has not been done, and there is time; what it says last is its figure.
part() {
  local name=$1
  shift
  [[ $name == *"$only"* ]] || return 0
  [[ ! -f $state/done/$name ]] || return 0
  if [[ $form == long ]] && ((SECONDS > minutes * 60)); then
    left=$((left + 1))
    return 0
  fi
  local start=$SECONDS status=0
  rm -rf "${work:?}/$name"
  mkdir -p "$work/$name"
  ("$@") >"$work/$name/said" 2>&1 </dev/null || status=$?
  local said
  said=$(tail -n 1 "$work/$name/said" | cut -c1-200)
  if ((status == 0)); then
    passed=$((passed + 1))
    printf 'ok      %-22s %4d s  %s\n' "$name" $((SECONDS - start)) "$said"
    echo "$name: $said" >>"$state/figures"
    touch "$state/done/$name"
    rm -rf "${work:?}/$name"
  else
    failed=$((failed + 1))
    printf 'FAILED  %-22s %4d s (status %d)\n' "$name" $((SECONDS - start)) "$status"
    tail -n 20 "$work/$name/said" | cut -c1-300 | sed 's/^/        /'
  fi
}
either() { if [[ $form == long ]]; then echo "$2"; else echo "$1"; fi; }

# spends COMMAND...: runs it; `spent` is then the CPU time that it used, its children's too, in milliseconds.
spends() {
  local TIMEFORMAT='%3U %3S' status=0 user system
  { time "$@" 2>&3; } 3>&2 2>"$state/spent" || status=$?
  read -r user system <"$state/spent"
  spent=$((10#${user//[!0-9]/} + 10#${system//[!0-9]/}))
  return $status
}
# Beside a clock that is not ours: Python's of its own process.
spends_what_it_says() {
  spends python3 -c 'import time
while time.process_time() < 0.7: pass'
  local busy=$spent
  spends sleep 1
  echo "$busy ms of a process that computes for 700 ms, $spent ms of one that sleeps for a second"
  ((busy >= 700 && busy < 900 && spent < 100))
}
part cpu-time spends_what_it_says

# ---------------------------------------------------------------------------------------------------------------------------- damage

# fuzzed TARGET SEED_FILE SECONDS: mutations of the file until so many seconds of CPU time are used, 500 a process; takes up where the last run
# ended. A crash ends it, and leaves the input.
fuzzed() {
  local target=$1 seed=$2 seconds=$3 folder=$work/fuzz-$1 total=0 used=0 slice=${SLICE:-500} begun=$SECONDS
  [[ -f $state/next/$target ]] && read -r total used <"$state/next/$target"
  prepare_fuzz "$target" "$folder"
  while ((used < seconds * 1000)) && ! late "$begun"; do
    spends limited "$bin/fuzz" "$target" "$seed" "$folder" "$slice" "$total" >"$folder/line" 2>&1 || { cat "$folder/line"; return 1; }
    total=$((total + slice)) used=$((used + spent))
    echo "$total $used" >"$state/next/$target"
    if [[ $form == long ]] && ((SECONDS > minutes * 60)) && ((used < seconds * 1000)); then echo "time is over after $total inputs"; return 3; fi
  done
  echo "$total inputs in $((used / 1000)) s of CPU time; of the last $slice:$(sed 's/.* s://' "$folder/line")"
}
# late START: the short form does not wait for CPU time on a busy machine.
late() { [[ $form == short ]] && ((SECONDS - $1 > 15)); }
limited() (
  ulimit -v 16000000
  "$@"
)
prepare_fuzz() { [[ $1 != labels ]] || cp "$seeds/images.idx" "$2/images.idx"; }

make_seeds() {
  local fixtures=Tests/SupConVisionTests/Fixtures
  cp $fixtures/{images.idx,labels.idx,rgb8.png,rgb8_interlaced.png,rgb420.jpg,progressive.jpg,orientation6.jpg,profile6.png,profile6_zipped.png,lossy.webp,lossless.webp,images.idx.gz} "$seeds"
  cp Tests/SupConModelTests/Fixtures/torchvision.safetensors "$seeds"
  head -c 9219 /dev/urandom | python3 -c 'import sys; b = bytearray(sys.stdin.buffer.read()); b[0::3073] = bytes([0, 1, 9]); sys.stdout.buffer.write(b)' >"$seeds/cifar.bin"
  "$bin/kill" --run joint 1 f32 "$seeds/run" "$seeds/model.safetensors" 2
}
seeds=$state/seeds
if [[ fuzz == *"$only"* || $only == fuzz* ]] && [[ ! -f $seeds/model.safetensors ]]; then
  mkdir -p "$seeds"
  make_seeds || exit 1
fi
# time_of SECONDS VARIANTS: the CPU time of one variant of a format: in the long form the variants share the format's.
time_of() { either "$1" $((long / $2)); }
part fuzz-model fuzzed model "$seeds/model.safetensors" "$(time_of 3 2)"
part fuzz-model-foreign fuzzed model-foreign "$seeds/torchvision.safetensors" "$(time_of 1 2)"
SLICE=$(either 60 200) part fuzz-checkpoint fuzzed checkpoint "$seeds/run/last.supcon" "$(time_of 3 1)"
part fuzz-idx fuzzed idx "$seeds/images.idx" "$(time_of 3 2)"
part fuzz-idx-gz fuzzed idx-gz "$seeds/images.idx.gz" "$(time_of 1 2)"
part fuzz-labels fuzzed labels "$seeds/labels.idx" "$(time_of 3 1)"
part fuzz-cifar fuzzed cifar "$seeds/cifar.bin" "$(time_of 3 1)"
part fuzz-png fuzzed png "$seeds/rgb8.png" "$(time_of 3 4)"
part fuzz-png-interlaced fuzzed png-interlaced "$seeds/rgb8_interlaced.png" "$(time_of 1 4)"
part fuzz-png-profile fuzzed png-profile "$seeds/profile6.png" "$(time_of 1 4)"
part fuzz-png-zipped fuzzed png-zipped "$seeds/profile6_zipped.png" "$(time_of 1 4)"
part fuzz-jpeg fuzzed jpeg "$seeds/rgb420.jpg" "$(time_of 3 3)"
part fuzz-jpeg-progressive fuzzed jpeg-progressive "$seeds/progressive.jpg" "$(time_of 1 3)"
part fuzz-jpeg-exif fuzzed jpeg-exif "$seeds/orientation6.jpg" "$(time_of 1 3)"
part fuzz-webp fuzzed webp "$seeds/lossy.webp" "$(time_of 1 2)"
part fuzz-webp-lossless fuzzed webp-lossless "$seeds/lossless.webp" "$(time_of 1 2)"

# Random sequences of calls, likewise.
called() {
  local seconds=$1 total=0 used=0 slice begun=$SECONDS
  slice=$(either 20 100)
  [[ -f $state/next/calls ]] && read -r total used <"$state/next/calls"
  while ((used < seconds * 1000)) && ! late "$begun"; do
    spends limited "$bin/calls" "$work/calls" "$slice" "$total" >"$work/calls/line" 2>&1 || { cat "$work/calls/line"; echo "sequences $total to $((total + slice - 1))"; return 1; }
    total=$((total + slice)) used=$((used + spent))
    echo "$total $used" >"$state/next/calls"
    if [[ $form == long ]] && ((SECONDS > minutes * 60)) && ((used < seconds * 1000)); then echo "time is over after $total sequences"; return 3; fi
  done
  echo "$total sequences of 48 steps in $((used / 1000)) s of CPU time; of the last $slice:$(sed 's/.* s://' "$work/calls/line")"
}
part calls called "$(either 5 "$long")"

# ---------------------------------------------------------------------------------------------------------------------------- faults

# refused WORK: every request of each kind fails in turn (in the short form, at most five of them), alone and with all that follow.
refused() {
  local walk=$1 folder=$work/faults-$1 tried=0 survived=0 kind total at from
  for kind in malloc write fsync rename open thread; do
    total=$(FAULT=$kind LD_PRELOAD=$bin/interpose.so "$bin/faults" "$walk" "$folder" 2>&1) || { echo "$kind: $total"; return 1; }
    total=${total%% *}
    for at in $(chosen "$total"); do
      for from in "" 1; do
        local said
        said=$(FAULT=$kind FAULT_AT=$at ${from:+env FAULT_FROM=1} env LD_PRELOAD="$bin/interpose.so" "$bin/faults" "$walk" "$folder" 2>&1) || {
          echo "$kind $at of $total${from:+ and all that follow}: status $?: $said"
          return 1
        }
        tried=$((tried + 1))
        [[ $said == *" OK "* ]] && survived=$((survived + 1))
      done
    done
  done
  echo "$tried failures, $survived of which the work did not need; a status each time, and the same work goes through after it"
}
# The numbers 1 to $1: all of up to 400; in the short form, and of more, a choice.
chosen() {
  local most
  most=$(either 5 400)
  if (($1 <= most)); then seq 1 "$1"; else seq 1 $((($1 + most - 1) / most)) "$1"; fi
}
for walk in load save embed train loss evaluate; do part "faults-$walk" refused $walk; done

# ---------------------------------------------------------------------------------------------------------------------------- memory

short_of() { "$bin/memory" "$1" "$work/memory-$1" Tests/SupConVisionTests/Fixtures "$2"; }
part memory-limit short_of limit "$(either 1 4)"
part memory-system short_of system "$(either 13 1)"

# ----------------------------------------------------------------------------------------------------------------------------- kills

killed() { "$bin/kill" "$1" "$2" "$3" "$work/kill-$1-$2-$3" "$4"; }
if [[ $form == long ]]; then
  for what in sgd adamw rmsprop lars ema queue chunks joint; do
    for threads in 1 2; do for precision in f32 bf16; do part "kill-$what-$threads-$precision" killed $what $threads $precision 12; done; done
  done
else
  part kill-ema-2-bf16 killed ema 2 bf16 6
  part kill-queue-1-f32 killed queue 1 f32 6
fi

# ---------------------------------------------------------------------------------------------------------------------------- misuse

misused() { "$bin/misuse" "$1" "$work/misuse-$1" "${@:2}"; }
in_locale() {
  localedef -i de_DE -f UTF-8 "$work/misuse-locale/de_DE.UTF-8" >/dev/null 2>&1 || { echo "no locale with a decimal comma can be made here: not tried"; return 0; }
  LOCPATH=$work/misuse-locale misused locale
}
for how in reentry fork rounding stacks threads again; do part misuse-$how misused $how; done
part misuse-counts "$bin/counts" "$work/misuse-counts"
part misuse-locale in_locale
part misuse-flat misused flat "$(either 300 100000)"
part misuse-unload "$bin/unload" "$library"
part misuse-ranks "$bin/ranks" "$work/misuse-ranks" "$(either 6 300)"
# Beside a program with a Swift runtime of its own.
beside_swift() {
  "${SWIFT:-swift}c" -O Tests/Soak/guest.swift -o "$work/misuse-swift/guest" || return 1
  "$work/misuse-swift/guest" "$library" "$work/misuse-swift"
}
command -v "${SWIFT:-swift}c" >/dev/null && part misuse-swift beside_swift
[[ $form != long ]] || part misuse-folder misused folder 1000000

# -------------------------------------------------------------------------------------------------------------------------- valgrind

# Invalid reads and writes, values that are not initialized, and lost blocks. valgrind knows no AVX-512: the kernels choose AVX2. The library is the
# one that ships, with the names of its functions still there, by which valgrind.supp leaves one thing out.
checked() {
  LD_LIBRARY_PATH=$state/named valgrind --quiet --suppressions=Tests/Soak/valgrind.supp --error-exitcode=9 --leak-check=full \
    --show-leak-kinds=definite --errors-for-leak-kinds=definite "$@" 2>&1
}
if command -v valgrind >/dev/null; then
  mkdir -p "$state/named"
  strip --strip-debug -o "$state/named/libsupcon.so.1" .build-lib/release/libsupcon.so || exit 1
  part valgrind-again checked "$bin/misuse" again "$work/valgrind-again" "$(either 2 9)"
  if [[ $form == long ]]; then
    for how in reentry threads stacks; do part valgrind-$how checked "$bin/misuse" $how "$work/valgrind-$how"; done
    part valgrind-calls checked "$bin/calls" "$work/valgrind-calls" 20
    part valgrind-ranks checked "$bin/ranks" "$work/valgrind-ranks" 4
  fi
fi

((left == 0)) || echo "$left parts are left: run it again to go on"
echo "$passed passed, $failed failed"
exit $((failed > 0))
