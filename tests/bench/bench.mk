# The benchmark's own programs, built without the product's: make -f tests/bench/bench.mk works alone.
#   bench-programs   load, gets and floor, into $(BUILD)/bench
#   bench-unit       the load generator's own books, tested

BUILD    ?= build
WARNINGS ?= -Wall -Wextra -Wshadow -Wvla -Wconversion -Werror
OPTIMIZE ?= -O2

BENCH_CC   = $(CC) -std=c11 -D_GNU_SOURCE -I. -g $(OPTIMIZE) $(WARNINGS) $(SANITIZE_FLAGS)
BENCH_BASE := tests/bench/frame.c tests/bench/stats.c tests/bench/traffic.c
BENCH_LOAD := tests/bench/load.c tests/bench/scenario.c tests/bench/client.c \
              tests/bench/polling.c tests/bench/answer.c $(BENCH_BASE)
BENCH_GETS := tests/bench/gets.c tests/bench/answer.c tests/bench/stats.c
BENCH_HEADERS := $(wildcard tests/bench/*.h)

.PHONY: bench-programs bench-unit
bench-programs: $(BUILD)/bench/load $(BUILD)/bench/gets $(BUILD)/bench/floor
bench-unit: $(BUILD)/bench/test_load
	$<

$(BUILD)/bench/load: $(BENCH_LOAD) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $(BENCH_LOAD)

$(BUILD)/bench/gets: $(BENCH_GETS) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ $(BENCH_GETS)

$(BUILD)/bench/floor: tests/bench/floor.c tests/bench/frame.c $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ tests/bench/floor.c tests/bench/frame.c -lcrypto

$(BUILD)/bench/test_load: tests/bench/test_load.c $(BENCH_BASE) $(BENCH_HEADERS)
	@mkdir -p $(@D)
	$(BENCH_CC) -o $@ tests/bench/test_load.c $(BENCH_BASE) -lcmocka
