// SPDX-License-Identifier: Apache-2.0
//
// Work for fork-join benchmarks, and its division by OpenMP.
#pragma once

#include <stdbool.h>

#pragma clang assume_nonnull begin

/// One piece of a job: a kernel's work for one tile of its output.
typedef void (*tile_function)(void *context, long index);

/// Synthetic work of a tile: arithmetic in registers, independent of memory and other cores.
void multiply_adds(long rounds);

/// Whether this build has OpenMP.
bool has_openmp(void);

/// Runs `tile` for every index below `count` in an OpenMP parallel region. Threads take indices one by one.
void openmp_for_each(long count, int threads, tile_function tile, void *context);

#pragma clang assume_nonnull end
