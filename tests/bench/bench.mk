# The benchmark's own programs, built without the product's: make -f tests/bench/bench.mk works alone.
#   bench-programs   load, gets and floor, into $(BUILD)/bench
#   bench-unit       the load generator's own books, tested

BUILD    ?= build
WARNINGS ?= -Wall -Wextra -Wshadow -Wvla -Wconversion -Werror
OPTIMIZE ?= -O2

BENCH_CC   = $(CC) -std=c11 -D_GNU_SOURCE -I. -g $(OPTIMIZE) $(WARNINGS) $(SANITIZE_FLAGS)
BENCH_LOAD := tests/bench/scenario.c tests/bench/streams.c tests/bench/run.c \
              tests/bench/runtime.c tests/bench/client.c tests/bench/polling.c \
              tests/bench/traffic.c tests/bench/replies.c tests/bench/answer.c \
              tests/bench/frame.c tests/bench/stats.c
BENCH_GETS := tests/bench/gets.c tests/bench/answer.c tests/bench/stats.c
BENCH_HEADERS := $(wildcard tests/bench/*.h)

.PHONY: bench-programs bench-unit
bench-programs: $(BUILD)/bench/load $(BUILD)/bench/gets $(BUILD)/bench/floor
bench-unit: $(BUILD)/bench/test_load
	$<

$(BUILD)/bench/load: tests/bench/load.c $(BENCH_LOAD) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ tests/bench/load.c $(BENCH_LOAD)

$(BUILD)/bench/gets: $(BENCH_GETS) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $(BENCH_GETS)

$(BUILD)/bench/floor: tests/bench/floor.c tests/bench/frame.c $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ tests/bench/floor.c tests/bench/frame.c -lcrypto

$(BUILD)/bench/test_load: tests/bench/test_load.c $(BENCH_LOAD) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ tests/bench/test_load.c $(BENCH_LOAD) -lcmocka
