// SPDX-License-Identifier: Apache-2.0
#include "CAllocationCount.h"

// Defines __GLIBC__ if this is glibc.
#include <stdlib.h>

#if defined(__GLIBC__)

#include <stdatomic.h>

static _Atomic long count;

/// glibc's allocator, under the name that it keeps when a program defines `malloc`.
void *__libc_malloc(size_t bytes);

void *malloc(size_t bytes) {
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    return __libc_malloc(bytes);
}

long allocation_count(void) { return count; }

#else

long allocation_count(void) { return -1; }

#endif
