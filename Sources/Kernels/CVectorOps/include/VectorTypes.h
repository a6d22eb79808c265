// SPDX-License-Identifier: Apache-2.0
//
// The vectors of the instruction set that this header is compiled for, which Swift imports as
// SIMD4, SIMD8 or SIMD16: as many lanes of 32 bits as one register holds.
#pragma once

#include <stdint.h>

#define VECTOR_OP static inline __attribute__((always_inline))

/// `VECTORS_OF_256_BITS` keeps an AVX-512 target to the registers of its predecessors.
#if defined(__AVX512F__) && !defined(VECTORS_OF_256_BITS)
#define LANE_COUNT 16
#elif defined(__AVX2__)
#define LANE_COUNT 8
#else
#define LANE_COUNT 4
#endif

typedef int32_t IntVector __attribute__((vector_size(4 * LANE_COUNT)));
typedef uint32_t WordVector __attribute__((vector_size(4 * LANE_COUNT)));
typedef float FloatVector __attribute__((vector_size(4 * LANE_COUNT)));
/// Sixteen bits for each lane: half-precision or bf16 numbers.
typedef uint16_t HalfVector __attribute__((vector_size(2 * LANE_COUNT)));

/// Lanes of 32 bits in one register.
static const long lane_count = LANE_COUNT;
