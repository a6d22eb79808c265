// SPDX-License-Identifier: Apache-2.0
#include "CTileLoops.h"

#include <stdatomic.h>

/// Enough sums to hide the latency of four-wide multiply-adds, in eight registers.
#define SUMS 32

void multiply_adds(long rounds) {
    float sums[SUMS] = {};
    for (long round = 0; round < rounds; round++) {
        // Converges to 1, so the sums stay normal numbers.
        for (int index = 0; index < SUMS; index++) sums[index] = sums[index] * 0.5f + 0.5f;
    }
    __asm__ volatile("" ::"r"(sums) : "memory");
}

bool has_openmp(void) {
#if defined(_OPENMP)
    return true;
#else
    return false;
#endif
}

void openmp_for_each(long count, int threads, tile_function tile, void *context) {
    // `omp for schedule(dynamic)` needs a newer library than Debian's with newer compilers. A counter in a
    // parallel region divides the loop in the same way, as ggml does.
    _Atomic long next = 0;
#if defined(_OPENMP)
#pragma omp parallel num_threads(threads)
#endif
    while (true) {
        long index = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
        if (index >= count) break;
        tile(context, index);
    }
}
