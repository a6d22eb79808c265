// SPDX-License-Identifier: Apache-2.0
//
// Loops that are bound by the processor's throughput alone.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// A loop of one dot product or multiply-add on independent registers.
typedef struct {
    /// The instruction's name; NULL if this processor lacks it.
    const char *instruction;
    /// A multiplication and an addition count as two operations.
    double operations_per_iteration;
    void (*run)(long iterations);
} peak_loop;

/// Products of bytes, summed in 32 bits: by VNNI, or by two multiplications and an addition of AVX2.
peak_loop int8_peak_loop(void);

/// 32-bit floats: fused multiply-add.
peak_loop float32_peak_loop(void);

/// Pairs of 16-bit brain floats, summed in 32 bits.
peak_loop bfloat16_peak_loop(void);

/// Reads all of `memory`, a multiple of 256 bytes, and returns the sum of its 64-bit words.
uint64_t read_stream(const void *memory, size_t bytes);

/// The same with prefetches, which speed up some processors and slow down others.
uint64_t read_stream_prefetched(const void *memory, size_t bytes);
