// SPDX-License-Identifier: Apache-2.0
//
// Work for fork-join benchmarks, and OpenMP's way to divide it.
#pragma once

#include <stdbool.h>

#pragma clang assume_nonnull begin

/// One piece of a job: what a kernel does for one tile of its output.
typedef void (*tile_function)(void *context, long index);

/// A tile's work without a kernel: arithmetic in registers, which no memory or other core slows down.
void multiply_adds(long rounds);

/// Whether this build has OpenMP.
bool has_openmp(void);

/// Runs `tile` for every index below `count` in an OpenMP parallel region; threads take indices one by
/// one.
void openmp_for_each(long count, int threads, tile_function tile, void *context);

#pragma clang assume_nonnull end
