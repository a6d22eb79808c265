// SPDX-License-Identifier: Apache-2.0
//
// Turns rows into columns, a square of one vector's lanes at a time.
#pragma once

#include "FloatOps.h"

/// Zipping row i with row i + n/2 moves one bit of the row's number into the lane's: log₂ n rounds
/// exchange the two.
VECTOR_OP void transpose(FloatVector *rows) {
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
}

/// Row r of the result, and lane r of the rows, go to `target + r · stride`.
VECTOR_OP void store_transposed(FloatVector *rows, float *target, long stride) {
    transpose(rows);
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++)
        __builtin_memcpy(target + row * stride, &rows[row], sizeof rows[row]);
}

/// A square of words, at any addresses `stride` bytes apart, transposed.
VECTOR_OP void load_transposed(FloatVector *rows, const void *source, long stride) {
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++)
        __builtin_memcpy(&rows[row], (const char *)source + row * stride, sizeof rows[row]);
    transpose(rows);
}

/// Turns a square of words; strides are in bytes.
VECTOR_OP void transpose_words(const void *source, long source_stride, void *target,
    long target_stride) {
    FloatVector rows[LANE_COUNT];
    load_transposed(rows, source, source_stride);
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++)
        __builtin_memcpy((char *)target + row * target_stride, &rows[row], sizeof rows[row]);
}

/// Turns words of two numbers of 16 bits each into rows of single numbers, twice as many.
VECTOR_OP void transpose_pairs(const void *source, long source_stride, void *target,
    long target_stride) {
    FloatVector rows[LANE_COUNT];
    load_transposed(rows, source, source_stride);
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++) {
        HalfVector first = low_halves((WordVector)rows[row]);
        HalfVector second = low_halves((WordVector)rows[row] >> 16);
        char *place = (char *)target + 2 * row * target_stride;
        __builtin_memcpy(place, &first, sizeof first);
        __builtin_memcpy(place + target_stride, &second, sizeof second);
    }
}

/// Stores `columns` numbers, at most a vector's, of as many rows as lanes, transposed.
///
/// - `rows`: the last of them replaces missing ones; missing columns are zeros.
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

/// Rounds pairs of neighbouring floats to bf16 and stores their words, `pairs` of them, at most a vector's, of
/// as many rows as lanes, transposed.
///
/// - `rows`: the words of missing rows are zeros.
VECTOR_OP void transpose_brain_floats(const float *source, long source_stride, long rows, long pairs,
    uint32_t *target, long target_stride) {
    long low = 2 * pairs < LANE_COUNT ? 2 * pairs : LANE_COUNT, high = 2 * pairs - low;
    FloatVector words[LANE_COUNT];
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++) {
        const float *start = source + row * source_stride;
        HalfVector halves[2] = {{0}, {0}};
        if (row < rows) {
            halves[0] = brain_floats_for_dot(load_first(start, low));
            halves[1] = brain_floats_for_dot(load_first(start + low, high));
        }
        __builtin_memcpy(&words[row], halves, sizeof words[row]);
    }
    transpose(words);
#pragma clang loop unroll(full)
    for (int row = 0; row < LANE_COUNT; row++)
        if (row < pairs)
            __builtin_memcpy(target + row * target_stride, &words[row], sizeof words[row]);
}
