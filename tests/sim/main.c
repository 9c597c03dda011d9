/*
 * The simulator's command line: simulation.h for what one seed is, oracle.h for what must hold.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/simulation.h"

enum { SECONDS_DEFAULT = 20, FAILURES_SHOWN = 100, LINE_SIZE = 256 };

struct arguments {
    uint64_t first;
    uint64_t last; /* 0: until the time is over */
    int64_t seconds;
    const struct profile *profile;
    const char *regressions; /* path, or NULL: none */
    bool is_verbose;
    bool is_list;
};

struct tally {
    uint64_t passed, failed;
    uint64_t steps, messages, acked, replied, replayed, recovered, moved;
    int64_t virtual_ms;
};

static const char usage[] =
    "usage: sim [--seed N [--verbose]] [--seeds A..B] [--from A] [--seconds S]\n"
    "           [--profile NAME] [--regressions FILE] [--profiles]\n"
    "\n"
    "Runs simulated clusters, one per seed, and checks what is promised. Without arguments: the\n"
    "regression seeds, then seeds from 1 on, for 20 seconds.\n"
    "\n"
    "  --seed N            this seed only\n"
    "  --verbose           tell all that happens\n"
    "  --seeds A..B        these seeds\n"
    "  --from A            seeds from A on (default: 1), until the time is over\n"
    "  --seconds S         the time (default: 20)\n"
    "  --profile NAME      misfortunes of this kind; without it each seed draws its own\n"
    "  --regressions FILE  seeds that once failed, run first (default: tests/sim/seeds.txt)\n"
    "  --profiles          list the profiles\n";

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool parse_number(const char *text, char end, uint64_t *out, const char **rest)
{
    char *at;
    errno = 0;
    *out = strtoull(text, &at, 10);
    *rest = at;
    return errno == 0 && at != text && *at == end;
}

static bool parse(int argc, char **argv, struct arguments *arguments)
{
    const char *rest;
    uint64_t number;
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(flag, "--verbose") == 0) {
            arguments->is_verbose = true;
            continue;
        }
        if (strcmp(flag, "--profiles") == 0) {
            arguments->is_list = true;
            continue;
        }
        i++;
        if (strcmp(flag, "--seed") == 0 && parse_number(value, '\0', &number, &rest)) {
            arguments->first = arguments->last = number;
            arguments->regressions = NULL;
        } else if (strcmp(flag, "--seeds") == 0 && parse_number(value, '.', &number, &rest) &&
                   strncmp(rest, "..", 2) == 0 &&
                   parse_number(rest + 2, '\0', &arguments->last, &rest) &&
                   number <= arguments->last) {
            arguments->first = number;
        } else if (strcmp(flag, "--from") == 0 && parse_number(value, '\0', &number, &rest)) {
            arguments->first = number;
        } else if (strcmp(flag, "--seconds") == 0 && parse_number(value, '\0', &number, &rest) &&
                   number <= 1000000) {
            arguments->seconds = (int64_t)number;
        } else if (strcmp(flag, "--profile") == 0 && profile_find(value) != NULL) {
            arguments->profile = profile_find(value);
        } else if (strcmp(flag, "--regressions") == 0 && *value != '\0') {
            arguments->regressions = value;
        } else {
            return false;
        }
    }
    return true;
}

static void run_seed(uint64_t seed, const struct profile *profile, const char *name,
                     const struct arguments *arguments, struct tally *tally)
{
    struct simulation_result result;
    simulation_run(seed, profile, arguments->is_verbose, &result);
    tally->steps += result.steps;
    tally->messages += result.messages;
    tally->acked += result.acked;
    tally->replied += result.replied;
    tally->replayed += result.replayed;
    tally->recovered += result.recovered;
    tally->moved += result.moved;
    tally->virtual_ms += result.duration;
    if (!result.has_failed) {
        tally->passed++;
        return;
    }
    tally->failed++;
    if (tally->failed <= FAILURES_SHOWN) {
        printf("seed %" PRIu64 " (%s%s%s) failed: %s\n", seed,
               profile == NULL ? profile_of_seed(seed)->name : profile->name,
               *name == '\0' ? "" : ", ", name, result.failure);
        printf("  replay: build/tests/sim --seed %" PRIu64 "%s%s --verbose\n", seed,
               profile == NULL ? "" : " --profile ", profile == NULL ? "" : profile->name);
    }
}

/* Lines "SEED PROFILE NAME…"; PROFILE - : the seed's own. '#' begins a comment. */
static bool run_regressions(const struct arguments *arguments, struct tally *tally)
{
    char line[LINE_SIZE], profile[32], name[160];
    uint64_t seed;
    FILE *file = fopen(arguments->regressions, "r");
    if (file == NULL) {
        fprintf(stderr, "sim: %s: %s\n", arguments->regressions, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#' || line[0] == '\n') {
            continue;
        }
        name[0] = '\0';
        if (sscanf(line, "%" SCNu64 " %31s %159[^\n]", &seed, profile, name) < 2 ||
            (strcmp(profile, "-") != 0 && profile_find(profile) == NULL)) {
            fprintf(stderr, "sim: %s: cannot read: %s", arguments->regressions, line);
            fclose(file);
            return false;
        }
        run_seed(seed, profile_find(profile), name, arguments, tally);
    }
    fclose(file);
    return true;
}

static void list_profiles(void)
{
    for (size_t i = 0; i < profile_count; i++) {
        printf("%s\n", profiles[i].name);
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .first = 1, .seconds = SECONDS_DEFAULT, .regressions = "tests/sim/seeds.txt"};
    struct tally tally = {0};
    int64_t started = monotonic_ms();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &arguments)) {
        fputs(usage, stderr);
        return 2;
    }
    if (arguments.is_list) {
        list_profiles();
        return 0;
    }
    if (arguments.regressions != NULL && !run_regressions(&arguments, &tally)) {
        return 2;
    }
    for (uint64_t seed = arguments.first; arguments.last == 0 || seed <= arguments.last; seed++) {
        if (arguments.last == 0 && monotonic_ms() - started >= arguments.seconds * 1000) {
            break;
        }
        run_seed(seed, arguments.profile, "", &arguments, &tally);
    }
    printf("%.0f s of virtual time, %" PRIu64 " events, %" PRIu64 " messages stored, %" PRIu64
           " letters acknowledged, %" PRIu64 " replies, %" PRIu64 " replayed, %" PRIu64
           " recovered, %" PRIu64 " moved, %.1f s\n",
           (double)tally.virtual_ms / 1000, tally.steps, tally.messages, tally.acked, tally.replied,
           tally.replayed, tally.recovered, tally.moved, (double)(monotonic_ms() - started) / 1000);
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", tally.passed, tally.failed);
    return tally.failed == 0 ? 0 : 1;
}
