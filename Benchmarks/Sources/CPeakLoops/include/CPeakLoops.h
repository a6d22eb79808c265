// SPDX-License-Identifier: Apache-2.0
//
// Loops that nothing but the processor's throughput bounds.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// A loop of one dot product or multiply-add on independent registers.
typedef struct {
    /// The instruction's name; NULL where this processor has none.
    const char *instruction;
    /// A multiplication and an addition count as two operations.
    double operations_per_iteration;
    void (*run)(long iterations);
} peak_loop;

/// Bytes times bytes, summed in 32 bits: by VNNI, or by AVX2's two multiplications and an addition.
peak_loop int8_peak_loop(void);

/// 32-bit floats: fused multiply-add.
peak_loop float32_peak_loop(void);

/// Pairs of 16-bit brain floats, summed in 32 bits.
peak_loop bfloat16_peak_loop(void);

/// Reads all of `memory`, a multiple of 256 bytes, and returns the sum of its 64-bit words.
uint64_t read_stream(const void *memory, size_t bytes);

/// The same with prefetches ahead of the loads, which some processors need and others suffer from.
uint64_t read_stream_prefetched(const void *memory, size_t bytes);
