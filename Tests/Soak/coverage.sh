#!/usr/bin/env bash
# How much of what reads files the damaged files reach: builds the library with counters, lets the fuzz driver mutate each seed, and prints, for the
# source files that read what others wrote, the fraction of the lines that ran.
#   Tests/Soak/coverage.sh [FACTOR]    FACTOR (1) times as many files; the lines that never ran are in build/coverage/lines
set -eu
cd "$(dirname "$0")/../.."
factor=${1:-1}
swift=$(command -v "${SWIFT:-swift}")
tools=$(dirname "$swift")
# Relative, as a checkout's path may have spaces, which divide the fields below.
scratch=.build-coverage
out=build/coverage
rm -rf "$out"
mkdir -p "$out/folder" "$out/seeds"
"$swift" build -c release -Xswiftc -profile-generate -Xswiftc -profile-coverage-mapping --scratch-path "$scratch" --product supcon --quiet
library=$scratch/release
ln -sf libsupcon.so "$library/libsupcon.so.1"
for name in fuzz kill; do
  "$tools/clang" -std=gnu11 -O1 -fprofile-instr-generate -Iinclude "Tests/Soak/$name.c" -o "$out/$name" -L"$library" -Wl,-rpath,"$PWD/$library" -lsupcon -lpthread -lm
done
LLVM_PROFILE_FILE=/dev/null "$out/kill" --run joint 1 f32 "$out/seeds/run" "$out/seeds/model.safetensors" 2
# The seeds of the soak, each target with as many files as take some seconds.
fixtures=Tests/SupConVisionTests/Fixtures
cp $fixtures/images.idx "$out/folder"
head -c 9219 /dev/zero >"$out/seeds/cifar.bin"
while read -r target seed count; do
  LLVM_PROFILE_FILE=$out/$target.profraw "$out/fuzz" "$target" "$seed" "$out/folder" $((count * factor)) >>"$out/said"
done <<END
model $out/seeds/model.safetensors 10000
model-foreign Tests/SupConModelTests/Fixtures/torchvision.safetensors 5000
checkpoint $out/seeds/run/last.supcon 500
idx $fixtures/images.idx 10000
idx-gz $fixtures/images.idx.gz 5000
labels $fixtures/labels.idx 10000
cifar $out/seeds/cifar.bin 10000
png $fixtures/rgb8.png 10000
png-interlaced $fixtures/rgb8_interlaced.png 5000
png-profile $fixtures/profile6.png 5000
png-zipped $fixtures/profile6_zipped.png 5000
jpeg $fixtures/rgb420.jpg 10000
jpeg-progressive $fixtures/progressive.jpg 5000
jpeg-exif $fixtures/orientation6.jpg 5000
webp $fixtures/lossy.webp 5000
webp-lossless $fixtures/lossless.webp 5000
END
"$tools/llvm-profdata" merge -o "$out/all.profdata" "$out"/*.profraw
model=Sources/SupConModel vision=Sources/SupConVision
readers=($model/{SafetensorsFile,JSONParser,ModelMetadata,ModelFiles,Checksum,FileReader}.swift
  Sources/SupConTraining/Run/Checkpoint.swift
  $vision/{IDXDataset,CIFARDataset,ByteReading,FileInput,ImageHeader,ImageFile,ImageReader,Orientation}.swift
  $vision/{PNGHeader,PNGText,PNGDecoder,JPEGHeader,JPEGDecoder,WebPHeader,WebPDecoder}.swift)
"$tools/llvm-cov" show "$library/libsupcon.so" -instr-profile "$out/all.profdata" "${readers[@]/#/$PWD/}" >"$out/lines"
"$tools/llvm-cov" report "$library/libsupcon.so" -instr-profile "$out/all.profdata" "${readers[@]/#/$PWD/}" |
  awk '/\.swift/ || /^TOTAL/ { printf "%-28s %5d lines, %5d ran, %s\n", $1, $8, $8 - $9, $10 }'
