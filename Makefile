# elizamq: make, make run, make test, make bench, make install.

VERSION := 0.1.0
BUILD   ?= build
CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
PREFIX  ?= /usr/local
DESTDIR ?=
PORT    ?= 3000
EDGES   ?= 2
DATA    ?= ./data

# SANITIZE=address,undefined (or thread) builds everything with it.
SANITIZE ?=
OPTIMIZE ?= -O2
WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wconversion -Werror
ifneq ($(SANITIZE),)
SANITIZE_FLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

# Everything is here and nothing asks: packages first, then pkg-config may answer.
ifeq ($(filter clean fmt,$(MAKECMDGOALS)),)
PACKAGES := $(shell BUILD=$(BUILD) deploy/install-packages build >&2 && echo ready)
ifneq ($(PACKAGES),ready)
$(error packages are missing, see above)
endif
endif

LIBRARIES := libzmq libczmq libwebsockets libuv msgpack libcjson libcurl sqlite3 libcrypto zlib
CPPFLAGS  += -I. -D_GNU_SOURCE -DELIZAMQ_VERSION='"$(VERSION)"' \
             $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
CFLAGS    += -std=c11 -g $(OPTIMIZE) $(WARNINGS) $(SANITIZE_FLAGS)
LDFLAGS   += $(SANITIZE_FLAGS)

# Libraries each part links with.
LIBS_base   := -lcrypto -luv -lm
LIBS_bus    := -lczmq -lzmq -lmsgpackc
LIBS_router := $(LIBS_bus) $(LIBS_base) -lsqlite3 -lpthread
LIBS_edge   := $(LIBS_bus) $(LIBS_base) -lwebsockets -lz
LIBS_bridge := $(LIBS_bus) $(LIBS_base) -lcjson -lcurl

SOURCES_proto  := $(wildcard proto/base/*.c proto/wire/*.c proto/bus/*.c)
SOURCES_router := $(wildcard router/core/*.c router/store/*.c) $(filter-out router/main.c,$(wildcard router/*.c))
SOURCES_edge   := $(wildcard edge/session/*.c edge/chat/*.c edge/http/*.c edge/rest/*.c edge/auth/*.c \
                            edge/media/*.c) \
                  $(filter-out edge/main.c,$(wildcard edge/*.c))
SOURCES_bridge := $(wildcard agent-bridge/runtimes/*.c agent-bridge/extract/*.c) \
                  $(filter-out agent-bridge/main.c,$(wildcard agent-bridge/*.c))

# Objects of other flags are not mixed in: another compiler or sanitizer builds all of it anew.
FLAGS_STAMP := $(BUILD)/flags
FLAGS_NOW   := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
ifneq ($(FLAGS_NOW),$(file <$(FLAGS_STAMP)))
$(shell mkdir -p $(BUILD))
$(file >$(FLAGS_STAMP),$(FLAGS_NOW))
endif

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
OBJECTS_proto  := $(call objects,$(SOURCES_proto))
OBJECTS_router := $(call objects,$(SOURCES_router))
OBJECTS_edge   := $(call objects,$(SOURCES_edge))
OBJECTS_bridge := $(call objects,$(SOURCES_bridge)) $(BUILD)/obj/agent-bridge/runtimes/doctor.o

PROGRAMS := $(BUILD)/router $(BUILD)/edge $(BUILD)/agent-bridge
SHARE    := $(BUILD)/share/elizamq

.PHONY: all run test test-long bench fuzz soak-sim check-asan check-tsan fmt install install-programs clean \
        programs
all: programs $(SHARE)/www.stamp $(SHARE)/client.stamp
programs: $(PROGRAMS)

$(BUILD)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# The DOCTOR script travels inside the bridge.
$(BUILD)/obj/agent-bridge/runtimes/doctor.o: agent-bridge/runtimes/doctor.json
	@mkdir -p $(@D)
	ld -r -b binary -z noexecstack -o $@ $<

$(BUILD)/libproto.a: $(OBJECTS_proto)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/librouter.a: $(OBJECTS_router)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/libedge.a: $(OBJECTS_edge)
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/libbridge.a: $(OBJECTS_bridge)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/router: $(BUILD)/obj/router/main.o $(BUILD)/librouter.a $(BUILD)/libproto.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_router)
$(BUILD)/edge: $(BUILD)/obj/edge/main.o $(BUILD)/libedge.a $(BUILD)/libproto.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_edge)
$(BUILD)/agent-bridge: $(BUILD)/obj/agent-bridge/main.o $(BUILD)/libbridge.a $(BUILD)/libproto.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_bridge)

# What the edge serves besides the protocol: its page, and the official client bundle.
$(SHARE)/www.stamp: $(wildcard edge/www/*)
	@mkdir -p $(SHARE)/www
	cp -r edge/www/. $(SHARE)/www/
	@touch $@
$(SHARE)/client.stamp: edge/fetch-client-bundle $(wildcard edge/client-bundle/*)
	@mkdir -p $(SHARE)/client
	edge/fetch-client-bundle $(SHARE)/client
	@touch $@

run: all
	@BUILD='$(BUILD)' PORT='$(PORT)' EDGES='$(EDGES)' DATA='$(DATA)' deploy/run-cluster

# --- tests ------------------------------------------------------------------------------------
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SOURCES))
EVERY_LIBRARY := $(BUILD)/librouter.a $(BUILD)/libedge.a $(BUILD)/libbridge.a $(BUILD)/libproto.a
LIBS_every   := $(LIBS_router) $(LIBS_edge) $(LIBS_bridge)

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(EVERY_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(EVERY_LIBRARY) -lcmocka $(LIBS_every)

# The protocol's own servers, without chat: what the wire tests speak to. Not installed.
$(BUILD)/tests/http-server: $(BUILD)/obj/tests/wire/http_server.o $(BUILD)/libedge.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_edge)
$(BUILD)/tests/echo-server: $(BUILD)/obj/tests/wire/echo_server.o $(BUILD)/libedge.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_edge)

$(BUILD)/tests/sim: $(call objects,$(wildcard tests/sim/*.c)) $(EVERY_LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_every)

unit-programs: $(UNIT_TESTS)
wire-programs: $(BUILD)/tests/http-server $(BUILD)/tests/echo-server
.PHONY: unit-programs wire-programs fuzz-programs replay-programs

include tests/bench/bench.mk

test test-long:
	@BUILD=$(BUILD) tests/run $@

bench: all bench-programs
	@BUILD=$(BUILD) tests/bench/run

check-asan:
	@BUILD=$(BUILD) tests/run test asan
check-tsan:
	@BUILD=$(BUILD) tests/run test tsan

# Each fuzzer runs for FUZZ_SECONDS on its corpus in tests/fuzz/corpus; findings stay in $(BUILD)/fuzz,
# and go to the corpus with their fix: make test replays it.
FUZZ_SECONDS ?= 30
FUZZERS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
fuzz:
	@$(MAKE) -s BUILD=$(BUILD)/fuzz CC=clang OPTIMIZE=-O2 SANITIZE=fuzzer-no-link,address,undefined \
	    fuzz-programs
	@for name in $(FUZZERS); do \
	    mkdir -p $(BUILD)/fuzz/corpus/$$name && echo "fuzzing $$name for $(FUZZ_SECONDS) s" && \
	    $(BUILD)/fuzz/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 \
	        -artifact_prefix=$(BUILD)/fuzz/$$name- $(BUILD)/fuzz/corpus/$$name \
	        tests/fuzz/corpus/$$name || exit 1; \
	done
fuzz-programs: $(patsubst %,$(BUILD)/fuzz/%,$(FUZZERS))
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(BUILD)/libedge.a $(BUILD)/libbridge.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ -lcmocka $(LIBS_edge) $(LIBS_bridge)
# The same targets without the fuzzer: they run the inputs they are given.
replay-programs: $(patsubst %,$(BUILD)/tests/replay/%,$(FUZZERS))
$(BUILD)/tests/replay/%: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(BUILD)/obj/tests/fuzz/replay.o \
    $(BUILD)/libedge.a $(BUILD)/libbridge.a $(BUILD)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_edge) $(LIBS_bridge)

# The simulator on seeds that nobody has seen, for SOAK_SECONDS.
SOAK_SECONDS ?= 3600
soak-sim: $(BUILD)/tests/sim
	@$< --from $$(date +%s)000000 --seconds $(SOAK_SECONDS)

fmt:
	clang-format -i $$(git ls-files '*.c' '*.h')

# Programs and what they serve; units for systemd; files to read and to begin from.
BINDIR  := $(PREFIX)/bin
DOCDIR  := $(PREFIX)/share/doc/elizamq
UNITDIR := $(PREFIX)/lib/systemd/system
UNITS   := $(wildcard deploy/systemd/*.service)
install: install-programs
	install -d $(DESTDIR)$(UNITDIR)/elizamq-.service.d $(DESTDIR)$(DOCDIR)
	for unit in $(UNITS); do \
	    sed -e 's|@bindir@|$(BINDIR)|' -e 's|@docdir@|$(DOCDIR)|g' $$unit \
	        >$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done
	chmod 644 $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS)))
	install -m 644 deploy/systemd/elizamq-.service.d/* $(DESTDIR)$(UNITDIR)/elizamq-.service.d/
	install -m 644 README.md LICENSE SECURITY.md deploy/RUNBOOK.md deploy/haproxy.cfg \
	    deploy/prometheus.yml deploy/prometheus-alerts.yml deploy/grafana-dashboard.json $(DESTDIR)$(DOCDIR)/
install-programs: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(PREFIX)/share/elizamq
	install -m 755 $(BUILD)/router $(DESTDIR)$(BINDIR)/elizamq-router
	install -m 755 $(BUILD)/edge $(DESTDIR)$(BINDIR)/elizamq-edge
	install -m 755 $(BUILD)/agent-bridge $(DESTDIR)$(BINDIR)/elizamq-agent-bridge
	cp -r $(SHARE)/www $(SHARE)/client $(DESTDIR)$(PREFIX)/share/elizamq/

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
