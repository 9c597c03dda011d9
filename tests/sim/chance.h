/*
 * Seeded chance (splitmix64): the only source of randomness in a simulated world, so that a seed
 * is the whole story.
 */
#ifndef TESTS_SIM_CHANCE_H
#define TESTS_SIM_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_u64(struct chance *chance)
{
    uint64_t z = (chance->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to bound - 1; bound > 0. */
static inline size_t chance_below(struct chance *chance, size_t bound)
{
    return (size_t)(chance_u64(chance) % bound);
}

/* low to high, both included. */
static inline int64_t chance_between(struct chance *chance, int64_t low, int64_t high)
{
    return low + (int64_t)chance_below(chance, (size_t)(high - low) + 1);
}

/* True in `per_mille` of 1 000 cases. Takes no draw when it is 0. */
static inline bool chance_happens(struct chance *chance, int per_mille)
{
    return per_mille > 0 && chance_below(chance, 1000) < (size_t)per_mille;
}

#endif
