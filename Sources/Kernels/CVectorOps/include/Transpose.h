// SPDX-License-Identifier: Apache-2.0
//
// Turns rows into columns, a square of one vector's lanes at a time.
#pragma once

#include "FloatOps.h"

/// Zipping row i with row i + n/2 moves one bit of the row's number into the lane's: log₂ n rounds
/// exchange the two. Row r of the result, and lane r of the rows, go to `target + r · stride`.
VECTOR_OP void store_transposed(FloatVector *rows, float *target, long stride) {
#pragma clang loop unroll(full)
    for (int round = 1; round < LANE_COUNT; round *= 2) {
        FloatVector zipped[LANE_COUNT];
#pragma clang loop unroll(full)
        for (int row = 0; row < LANE_COUNT / 2; row++) {
            zipped[2 * row] = zip_low(rows[row], rows[row + LANE_COUNT / 2]);
            zipped[2 * row + 1] = zip_high(rows[row], rows[row + LANE_COUNT / 2]);
        }
#pragma clang loop unroll(full)
        for (int row = 0; row < LANE_COUNT; row++) rows[row] = zipped[row];
    }
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++)
        __builtin_memcpy(target + row * stride, &rows[row], sizeof rows[row]);
}

/// Stores `columns` numbers, at most a vector's, of as many rows as lanes, turned.
///
/// - `rows`: the last of them stands for those that are missing; `columns` missing ones are zeros.
VECTOR_OP void transpose_floats(const float *source, long source_stride, long rows, long columns,
    float *target, long target_stride) {
    FloatVector loaded[LANE_COUNT];
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++) {
        const float *start = source + (row < rows ? row : rows - 1) * source_stride;
        if (columns == LANE_COUNT)
            __builtin_memcpy(&loaded[row], start, sizeof loaded[row]);
        else
            loaded[row] = load_first(start, columns);
    }
    store_transposed(loaded, target, target_stride);
}

/// The same for half-precision numbers.
VECTOR_OP void transpose_halves(const uint16_t *source, long source_stride, long rows,
    long columns, float *target, long target_stride) {
    FloatVector loaded[LANE_COUNT];
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++) {
        const uint16_t *start = source + (row < rows ? row : rows - 1) * source_stride;
        HalfVector halves;
        if (columns == LANE_COUNT)
            __builtin_memcpy(&halves, start, sizeof halves);
        else
            halves = load_first_halves(start, columns);
        loaded[row] = floats_from_halves(halves);
    }
    store_transposed(loaded, target, target_stride);
}
