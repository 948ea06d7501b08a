# attentiond: build, test, run. `make help` lists the targets.

VERSION := 0.1.0
PREFIX  ?= /usr/local
Q       := $(if $(V),,@)# V=1 shows the commands

MODE  ?= release#  release | debug | asan | tsan | coverage: each has its own build folder
BUILD := build/$(MODE)
PKGS  := libmicrohttpd jansson openblas

CPPFLAGS += -Iinclude -D_GNU_SOURCE -DATTENTIOND_VERSION='"$(VERSION)"' \
            $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS   += -std=c11 -g -fPIE -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
            -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wundef -Wvla -Wcast-qual -Wwrite-strings -Wswitch-enum
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack
LDLIBS   += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm

HARDEN         := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection
FLAGS_release  := -O2 $(if $(filter x86_64,$(shell uname -m)),$(HARDEN),$(filter-out -fcf%,$(HARDEN)))
FLAGS_debug    := -O0
FLAGS_asan     := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan     := -O1 -fno-omit-frame-pointer -fsanitize=thread
FLAGS_coverage := -O0 --coverage
CFLAGS  += $(FLAGS_$(MODE)) $(if $(WERROR),-Werror)
LDFLAGS += $(filter -fsanitize% --coverage,$(FLAGS_$(MODE)))

MODULES  := $(wildcard src/*/*.c)
HEADERS  := $(wildcard include/*/*.h)
TESTS    := $(wildcard tests/base/test_*.c tests/core/test_*.c tests/codec/test_*.c \
              tests/service/test_*.c tests/http/test_*.c)
OBJECTS  := $(MODULES:%.c=$(BUILD)/%.o)
SUPPORT  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
PROGRAMS := $(TESTS:%.c=$(BUILD)/%)

.PHONY: all test unit asan tsan check layers format lint clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: build/attentiond ## build the service (the default)

unit: $(PROGRAMS) ## run the unit tests of MODE
	@for t in $(PROGRAMS); do $$t || exit 1; done

asan tsan: ## the unit tests under AddressSanitizer+UBSan, or ThreadSanitizer
	$(MAKE) unit MODE=$@

layers: ## verify the dependency rule between folders
	tests/check_layers.sh

format: ## rewrite the sources in the project's style
	clang-format -i $(MODULES) $(wildcard src/main.c) $(HEADERS) $(wildcard tests/*/*.[ch])

lint: layers ## static analysis: clang-tidy and cppcheck
	clang-tidy --quiet $(MODULES) $(wildcard src/main.c) -- $(CPPFLAGS) -std=c11
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingIncludeSystem --error-exitcode=1 -Iinclude src

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build/attentiond: $(BUILD)/attentiond
	@cp $< $@

$(BUILD)/attentiond: $(BUILD)/src/main.o $(BUILD)/libattentiond.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/libattentiond.a: $(OBJECTS)
	@rm -f $@
	@echo "  AR    $@"
	$(Q)$(AR) rcs $@ $^

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT) $(BUILD)/libattentiond.a
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) $(shell pkg-config --libs check)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CPPFLAGS) $(if $(filter tests/%,$<),-Itests) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
