# attentiond: build, test, run. `make help` lists the targets.

VERSION := 0.1.0
PREFIX  ?= /usr/local
Q       := $(if $(V),,@)# V=1 shows the commands

MODE  ?= release#  release | debug | clang | clang-debug | analyze | asan | tsan | fuzz | coverage | aarch64: each has its own build folder
BUILD := build/$(MODE)
PKGS  := libmicrohttpd gnutls jansson openblas libseccomp

PACKAGES := tests/support/packages.sh

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)

CPPFLAGS += -Iinclude -D_GNU_SOURCE -DATTENTIOND_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
CFLAGS   += -std=c11 -g -fPIE -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
            -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wundef -Wvla -Wcast-qual -Wwrite-strings -Wswitch-enum
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack
LDLIBS   += $(PKG_LIBS) -lpthread -lm

HARDEN         := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection
FLAGS_release  := -O2 $(if $(filter x86_64,$(shell uname -m)),$(HARDEN),$(filter-out -fcf%,$(HARDEN)))
FLAGS_clang    := $(FLAGS_release) -Wno-missing-field-initializers# which takes .a = {b} for an oversight
FLAGS_aarch64  := -O2
FLAGS_debug    := -O0
FLAGS_analyze  := -O1 -fanalyzer -Wno-analyzer-shift-count-overflow# which misjudges shifts of vectors
FLAGS_clang-debug := -O0 -Wno-missing-field-initializers
FLAGS_asan     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan     := -O1 -fno-omit-frame-pointer -fsanitize=thread
FLAGS_fuzz     := -O1 -Wno-missing-field-initializers -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FLAGS_coverage := -O0 --coverage -fprofile-update=atomic
CFLAGS  += $(FLAGS_$(MODE)) $(if $(WERROR),-Werror)
LDFLAGS += $(filter -fsanitize% --coverage,$(FLAGS_$(MODE)))

# The release binary has a place of its own, whichever mode was built last.
BINARY   := $(if $(filter release,$(MODE)),build/attentiond,$(BUILD)/attentiond)
MODULES  := $(wildcard $(if $(filter aarch64,$(MODE)),src/base/*.c src/core/*.c,src/*/*.c))
HEADERS  := $(wildcard include/*/*.h)
TESTS    := $(wildcard tests/base/test_*.c tests/core/test_*.c tests/codec/test_*.c \
              tests/service/test_*.c tests/http/test_*.c tests/conformance/test_*.c \
              tests/property/test_*.c tests/faults/test_*.c)
OBJECTS  := $(MODULES:%.c=$(BUILD)/%.o)
HELPERS  := $(filter-out $(TESTS),$(wildcard tests/support/*.c tests/property/*.c))
SUPPORT  := $(HELPERS:%.c=$(BUILD)/%.o)
PROGRAMS := $(TESTS:%.c=$(BUILD)/%)
FUZZERS  := $(patsubst %.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAYS  := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/tests/fuzz/replay_%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all config demo test run install unit api openapi drains hardening identity analyze analyze-objects compilers \
        asan tsan layers format lint coverage torture fuzz fuzz-coverage fuzz-coverage-replays threats aarch64 aarch64-tests bench \
        bench-programs bench-check bench-record bench-codec overload chaos soak vectors mutation container clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BINARY) ## build the service, build/attentiond (the default)

# What is missing must be installed before make looks for the libraries: so these
# two commands, which need nothing but make, call make again.
demo: ## install what is missing, build, and see attention computed over HTTP
	@$(PACKAGES) build demo
	@$(MAKE) --no-print-directory all
	@tests/support/demo.sh build/attentiond

test: ## install what is missing, build, and run all tests
	@$(PACKAGES) build test
	@$(MAKE) --no-print-directory layers hardening unit
	@$(MAKE) --no-print-directory api

run: ## install what is missing, build, and start the service in the foreground
	@$(PACKAGES) build
	@$(MAKE) --no-print-directory all
	@build/attentiond $(ARGS)

install: build/attentiond ## install into $(DESTDIR)$(PREFIX)
	install -D -m 755 build/attentiond $(DESTDIR)$(PREFIX)/bin/attentiond
	install -D -m 644 config/attentiond.conf $(DESTDIR)$(PREFIX)/share/attentiond/attentiond.conf
	install -D -m 644 openapi/openapi.yaml $(DESTDIR)$(PREFIX)/share/attentiond/openapi.yaml

CHOSEN := $(if $(UNITS),$(foreach unit,$(UNITS),$(filter $(BUILD)/tests/$(unit)/%,$(PROGRAMS))),$(PROGRAMS) $(REPLAYS))
unit: $(CHOSEN) ## run the unit tests of MODE, JOBS=1 at a time; UNITS='http service' chooses folders
	@tests/support/run_units.sh $(CHOSEN)

NODE_MODULES := tests/api/node_modules/.package-lock.json
$(NODE_MODULES): tests/api/package-lock.json
	@cd tests/api && npm ci --silent --no-audit --no-fund
	@touch $@

api: $(BINARY) $(NODE_MODULES) ## run the tests that talk to the service of MODE over HTTP; API='lifecycle errors' chooses
	@cd tests/api && ATTENTIOND=$(CURDIR)/$(BINARY) npm test --silent $(API)

config: $(BUILD)/tests/service/test_settings_sample ## rewrite config/attentiond.conf from the settings table
	$(Q)REWRITE=1 $<

openapi: $(NODE_MODULES) ## make openapi.json from openapi.yaml and lint the page
	@cd tests/api && npm run --silent openapi >../../openapi/openapi.json
	@tests/support/lint_openapi.sh

hardening: build/attentiond ## look up in the binary what compiler and linker were asked to do against break-ins
	@tests/hardening.sh
	@tests/hardening.sh $< $(BUILD)/src/main.o $(OBJECTS)

drains: $(BINARY) ## stop the service in the middle of full load, TIMES=200 times: nothing is lost
	@ATTENTIOND=$(CURDIR)/$(BINARY) node tests/chaos/drains.js $(or $(TIMES),200)

identity: $(BINARY) $(NODE_MODULES) ## the same bytes 1,000 times, by 1 to 64 workers, with every set of OpenBLAS kernels
	@ATTENTIOND=$(CURDIR)/$(BINARY) node tests/chaos/identity.js

asan tsan: ## all tests under AddressSanitizer+UBSan, or ThreadSanitizer
	@$(MAKE) --no-print-directory unit MODE=$@ JOBS=$(or $(JOBS),2)
	@$(MAKE) --no-print-directory api MODE=$@ JOBS=$(or $(JOBS),2)

vectors: $(BUILD)/tests/conformance/make_vectors ## rewrite the conformance vectors from the float64 reference
	$(Q)$< >tests/conformance/vectors.json

# No libraries of that machine are needed: cblas.h is this one's, libcheck has a stand-in,
# and the tests are those that come by without OpenBLAS.
AARCH64_TESTS := $(filter %/test_vector_kernels %/test_attention %/test_attention_extremes \
                   %/test_attention_mask %/test_attention_mixtures %/test_attention_options \
                   %/test_attention_panels %/test_attention_blocks %/test_rope \
                   %/test_alibi %/test_ranking %/test_random %/test_dropout,$(PROGRAMS))

aarch64: ## cross-compile base and core for aarch64; with qemu-aarch64-static, run the kernel's tests
	@$(PACKAGES) aarch64
	@$(MAKE) --no-print-directory MODE=aarch64 CC=aarch64-linux-gnu-gcc aarch64-tests

ifeq ($(MODE),aarch64)
CPPFLAGS   := -Itests/support/cross $(filter-out $(PKG_CFLAGS),$(CPPFLAGS)) $(shell pkg-config --cflags openblas)
LDFLAGS    := -static -Wl,--gc-sections
CFLAGS     := $(filter-out -fPIE,$(CFLAGS)) -ffunction-sections
LDLIBS     := -lpthread -lm
CHECK_LIBS :=
SUPPORT    := $(filter %/attention_case.o %/attention_check.o %/attention_float64.o \
                %/attention_random.o %/attention_truth.o,$(SUPPORT))

aarch64-tests: $(BUILD)/libattentiond.a $(AARCH64_TESTS)
	@if ! command -v qemu-aarch64-static >/dev/null; then echo "no qemu-aarch64-static: built only"; \
	else for test in $(AARCH64_TESTS); do qemu-aarch64-static $$test || exit 1; done; fi
endif

layers: ## verify the dependency rule between folders
	@tests/check_layers.sh

format: ## rewrite the sources in the project's style
	clang-format -i $(MODULES) $(wildcard src/main.c) $(HEADERS) $(wildcard tests/*/*.[ch])

analyze: ## gcc's own analyser over the sources
	@$(MAKE) --no-print-directory MODE=analyze WERROR=1 analyze-objects

analyze-objects: $(OBJECTS) $(BUILD)/src/main.o

compilers: ## the unit tests as gcc and clang build them, without and with optimization
	@for mode in debug release; do $(MAKE) --no-print-directory MODE=$$mode CC=gcc unit || exit 1; done
	@for mode in clang-debug clang; do $(MAKE) --no-print-directory MODE=$$mode CC=clang unit || exit 1; done

lint: layers ## static analysis of sources, scripts and configuration
	@clang-format --dry-run -Werror $(MODULES) $(wildcard src/main.c) $(HEADERS) $(wildcard tests/*/*.[ch])
	@# One file a run: clang-tidy 14 carries state from file to file and sees va_lists that
	@# are not there.
	@printf '%s\n' $(MODULES) $(wildcard src/main.c) | xargs -I FILE -P $$(nproc) \
	    clang-tidy --quiet FILE -- $(CPPFLAGS) -std=c11 2>/dev/null
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingIncludeSystem --error-exitcode=1 -j2 -Iinclude src
	@shellcheck $(wildcard tests/*.sh tests/*/*.sh) .ci/run
	@tests/support/lint_openapi.sh
	promtool check config docker/prometheus.yml
	promtool test rules tests/container/rules_test.yml
	haproxy -c -q -f docker/haproxy.cfg 2>/dev/null
	@tests/container/test_unit.sh

# What an assertion does when it fails is no branch of ours. Of the tests over HTTP those
# that reach what no unit test does: main.c.
COVERED_LINES    := 100
COVERED_BRANCHES := 95
coverage: ## run the unit tests, and of those over HTTP the API=... that reach main.c: what do they reach?
	@$(MAKE) --no-print-directory unit MODE=coverage JOBS=$(or $(JOBS),2)
	@$(MAKE) --no-print-directory api MODE=coverage JOBS=$(or $(JOBS),2) API='$(or $(API),settings process tls keys)'
	gcovr --root . --filter src/ --exclude-unreachable-branches \
	    --exclude-branches-by-pattern '^\s*assert\(' --print-summary \
	    --fail-under-line $(COVERED_LINES) --fail-under-branch $(COVERED_BRANCHES) build/coverage

mutation: $(BINARY) $(PROGRAMS) ## make mistakes in a copy of the sources; the tests must notice each
	@tests/mutation/run.sh $(if $(ONLY),'$(ONLY)')

fuzz: ## libFuzzer (clang) on every parser, each for FUZZ_SECONDS=60
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang $(FUZZERS)
	@tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60) $(FUZZERS)

fuzz-coverage: ## how much of the parsers the kept corpora reach: 90 % of each file's lines
	@$(MAKE) --no-print-directory MODE=coverage fuzz-coverage-replays

fuzz-coverage-replays: $(REPLAYS)
	@tests/fuzz/coverage.sh $(REPLAYS)

threats: ## which of the bad inputs of ../shared/design/THREATS.md have no test
	@tests/check_threats.sh

FAULTS := $(BUILD)/tests/torture/faults.so

torture: $(BINARY) $(FAULTS) ## every fallible call fails once, in 100 scenarios; TORTURE=short: a sample, ONLY=REGEX SEED=N
	@ATTENTIOND=$(CURDIR)/$(BUILD)/attentiond FAULTS=$(CURDIR)/$(FAULTS) TORTURE=$(TORTURE) ONLY='$(ONLY)' SEED=$(SEED) \
	    node tests/torture/torture.js

# It stands in front of what FORTIFY would call instead.
$(FAULTS): tests/torture/faults.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -Wpedantic -D_FORTIFY% -fsanitize% -fno-sanitize% -fPIE,$(CFLAGS)) -O2 -fPIC -shared -o $@ $<

# Always the release build, whatever MODE says.
BENCH    := build/release/tests/bench
BENCHERS := $(addprefix $(BENCH)/,bench_attention bench_plain bench_peak bench_codec \
              bench_client empty_server)

# Beside jansson, which is there, stand those that are installed, or named: YYJSON=DIR
# has yyjson.c and yyjson.h.
JSON_PEERS := $(if $(shell pkg-config --exists simdjson && command -v $(CXX)),$(BENCH)/peer_simdjson) \
              $(if $(YYJSON)$(shell pkg-config --exists yyjson 2>/dev/null && echo yes),$(BENCH)/peer_yyjson)
YYJSON_FLAGS := $(if $(YYJSON),-I$(YYJSON) $(YYJSON)/yyjson.c,$(shell pkg-config --cflags --libs yyjson 2>/dev/null))

bench-codec: $(BENCH)/bench_codec $(JSON_PEERS) ## speed of reading and writing tensors beside jansson
	@$< $(ARGS)

$(BENCH)/peer_simdjson: tests/bench/peer_simdjson.cpp tests/bench/peer.h
	@mkdir -p $(@D)
	@echo "  CXX   $@"
	$(Q)$(CXX) -O3 -std=c++17 -Itests $(shell pkg-config --cflags simdjson) -o $@ $< $(shell pkg-config --libs simdjson)

$(BENCH)/peer_yyjson: tests/bench/peer_yyjson.c tests/bench/peer.h
	@mkdir -p $(@D)
	@echo "  CC    $@"
	$(Q)$(CC) -O3 -std=c11 -D_GNU_SOURCE -Itests -o $@ $< $(YYJSON_FLAGS)

bench: ## speed beside others, a table and a plot; ONLY=kernel,codec,service,growth,mixed PEERS=no YYJSON=DIR
	@$(PACKAGES) build bench
	@$(if $(filter no,$(PEERS)),,$(PACKAGES) peers || true)
	@$(MAKE) -s --no-print-directory MODE=release bench-programs
	@$(if $(filter no,$(PEERS)),,cd tests/bench && npm ci --silent --ignore-scripts || true)
	@node tests/bench/bench.js $(if $(ONLY),--only '$(ONLY)')

# A make of its own, which finds what was just installed.
bench-programs: build/attentiond $(BENCHERS) $(JSON_PEERS)

bench-check: ## the ratios that CI looks at, against tests/bench/recorded.json
	@$(PACKAGES) build bench-check
	@$(MAKE) -s --no-print-directory MODE=release build/attentiond $(BENCHERS)
	@node tests/bench/check.js

# Each has a short form for CI.
overload: ## an open loop at 0.5 to 5 times what the service can do, and what it then does; OVERLOAD=short
	@$(PACKAGES) build test chaos
	@$(MAKE) -s --no-print-directory MODE=release build/attentiond $(BENCH)/bench_open
	@node tests/chaos/overload.js

chaos: $(BINARY) ## slow, leaving and crowding clients; everything is as before within 5 s; CHAOS=short
	@$(PACKAGES) build test chaos
	@ATTENTIOND=$(CURDIR)/$(BINARY) node tests/chaos/chaos.js

soak: $(BINARY) ## good, bad and cancelled requests, mixed, for SOAK_SECONDS=600: nothing grows
	@ATTENTIOND=$(CURDIR)/$(BINARY) SOAK_SECONDS=$(or $(SOAK_SECONDS),600) node tests/chaos/soak.js

bench-record: ## measure what bench-check looks at and rewrite tests/bench/recorded.json
	@$(PACKAGES) build bench-check
	@$(MAKE) -s --no-print-directory MODE=release build/attentiond $(BENCHERS)
	@node tests/bench/check.js --record

container: ## build the image and run it as an operator would
	@$(PACKAGES) demo container
	@tests/container/test_container.sh

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build/attentiond: $(BUILD)/attentiond
	@cp $< $@

$(BUILD)/attentiond: $(BUILD)/src/main.o $(BUILD)/libattentiond.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libattentiond.a: $(OBJECTS)
	@rm -f $@
	@echo "  AR    $@"
	$(Q)$(AR) rcs $@ $^

$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libattentiond.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/libattentiond.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Whose calls can be made to fail, see tests/faults/failing.h.
FAILING := malloc calloc realloc aligned_alloc pthread_create socket accept4 getrandom fopen \
           MHD_create_response_from_buffer MHD_create_response_from_iovec \
           MHD_create_response_from_callback MHD_add_response_header MHD_queue_response \
           MHD_add_connection
$(BUILD)/tests/faults/test_%: LDFLAGS += $(FAILING:%=-Wl,--wrap=%)
$(filter $(BUILD)/tests/faults/%,$(PROGRAMS)): $(BUILD)/tests/faults/failing.o

$(BUILD)/tests/bench/bench_attention: $(BUILD)/tests/bench/bench_attention_shapes.o

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT) $(BUILD)/libattentiond.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(CHECK_LIBS)

$(BUILD)/src/http/handle_openapi.o: openapi/openapi.yaml openapi/openapi.json

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(if $(filter tests/%,$<),-Itests) $(CFLAGS) -MMD -MP -c -o $@ $<

# The vector loops: unrolled into registers, a product and a sum in one instruction.
$(BUILD)/src/core/vector_%.o: CFLAGS += $(if $(filter release aarch64,$(MODE)),-O3) -ffp-contract=fast

# Its chains must stay in registers.
$(BUILD)/tests/bench/bench_peak.o: CFLAGS += -O3 -ffp-contract=fast

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
