// SPDX-License-Identifier: Apache-2.0
//
// The primitives of float kernels that Swift lacks: parts of vectors, reductions and permutations.
#pragma once

#include "VectorOps.h"

#if LANE_COUNT == 16
#define FOR_EACH_LANE(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), \
    f(12), f(13), f(14), f(15)
#elif LANE_COUNT == 8
#define FOR_EACH_LANE(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#else
#define FOR_EACH_LANE(f) f(0), f(1), f(2), f(3)
#endif

#define LANE_ITSELF(lane) lane
/// All ones in the lanes below `count`.
VECTOR_OP IntVector first_lanes(long count) {
    return (IntVector){FOR_EACH_LANE(LANE_ITSELF)} < (int32_t)count;
}

/// The lanes of `chosen` where the mask is all ones, those of `rest` where it is zero.
VECTOR_OP FloatVector choose(IntVector mask, FloatVector chosen, FloatVector rest) {
    return (FloatVector)(((IntVector)chosen & mask) | ((IntVector)rest & ~mask));
}

/// The first `count` lanes of `chosen`, the others of `rest`.
VECTOR_OP FloatVector choose_first(FloatVector chosen, FloatVector rest, long count) {
    return choose(first_lanes(count), chosen, rest);
}

/// `count` numbers, at most a vector's, and zeros after them; nothing else is read.
VECTOR_OP FloatVector load_first(const float *source, long count) {
#if LANE_COUNT == 16
    return (FloatVector)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), source);
#elif defined(__AVX2__)
    return (FloatVector)_mm256_maskload_ps(source, (__m256i)first_lanes(count));
#else
    FloatVector values = {0};
    for (long lane = 0; lane < count; lane++) values[lane] = source[lane];
    return values;
#endif
}

/// Stores the first `count` lanes; nothing else is written.
VECTOR_OP void store_first(FloatVector values, float *target, long count) {
#if LANE_COUNT == 16
    _mm512_mask_storeu_ps(target, (__mmask16)((1u << count) - 1), (__m512)values);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(target, (__m256i)first_lanes(count), (__m256)values);
#else
    for (long lane = 0; lane < count; lane++) target[lane] = values[lane];
#endif
}

/// `load_first` for 16-bit numbers.
VECTOR_OP HalfVector load_first_halves(const uint16_t *source, long count) {
#if LANE_COUNT == 16
    return (HalfVector)_mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), source);
#else
    HalfVector values = {0};
    for (long lane = 0; lane < count; lane++) values[lane] = source[lane];
    return values;
#endif
}

/// `store_first` for 16-bit numbers.
VECTOR_OP void store_first_halves(HalfVector values, uint16_t *target, long count) {
#if LANE_COUNT == 16
    _mm256_mask_storeu_epi16(target, (__mmask16)((1u << count) - 1), (__m256i)values);
#else
    for (long lane = 0; lane < count; lane++) target[lane] = values[lane];
#endif
}

/// The larger of each pair of numbers; `a` where one of them is NaN.
VECTOR_OP FloatVector larger_float(FloatVector a, FloatVector b) { return choose(a < b, b, a); }

/// The smaller of each pair of numbers; `a` where one of them is NaN.
VECTOR_OP FloatVector smaller_float(FloatVector a, FloatVector b) { return choose(b < a, b, a); }

typedef float EightFloats __attribute__((vector_size(32)));

#if LANE_COUNT == 16
#define FIRST_EIGHT(values) __builtin_shufflevector(values, values, 0, 1, 2, 3, 4, 5, 6, 7)
#define LAST_EIGHT(values) __builtin_shufflevector(values, values, 8, 9, 10, 11, 12, 13, 14, 15)
#endif
#define FIRST_FOUR(values) __builtin_shufflevector(values, values, 0, 1, 2, 3)
#define LAST_FOUR(values) __builtin_shufflevector(values, values, 4, 5, 6, 7)

/// The sum of all lanes, always in the same order.
VECTOR_OP float float_sum(FloatVector values) {
#if LANE_COUNT == 16
    EightFloats eight = FIRST_EIGHT(values) + LAST_EIGHT(values);
    FourFloats four = FIRST_FOUR(eight) + LAST_FOUR(eight);
#elif LANE_COUNT == 8
    FourFloats four = FIRST_FOUR(values) + LAST_FOUR(values);
#else
    FourFloats four = values;
#endif
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/// The largest lane; of NaNs and numbers, some number or NaN.
VECTOR_OP float float_max(FloatVector values) {
#if defined(__x86_64__)
#if LANE_COUNT == 16
    __m256 eight = _mm256_max_ps((__m256)FIRST_EIGHT(values), (__m256)LAST_EIGHT(values));
    __m128 four = _mm_max_ps((__m128)FIRST_FOUR(eight), (__m128)LAST_FOUR(eight));
#elif LANE_COUNT == 8
    __m128 four = _mm_max_ps((__m128)FIRST_FOUR(values), (__m128)LAST_FOUR(values));
#else
    __m128 four = (__m128)values;
#endif
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
#else
    float largest = values[0];
    for (int lane = 1; lane < LANE_COUNT; lane++)
        largest = largest < values[lane] ? values[lane] : largest;
    return largest;
#endif
}

/// `values · 2^exponents` with whole exponents of -252…254, rounded once.
VECTOR_OP FloatVector scaled_by_power(FloatVector values, FloatVector exponents) {
#if LANE_COUNT == 16
    return (FloatVector)_mm512_scalef_ps((__m512)values, (__m512)exponents);
#else
    // In two steps: a float's own exponents end at 127.
    IntVector whole = __builtin_convertvector(exponents, IntVector), half = whole >> 1;
    FloatVector scaled = values * (FloatVector)((half + 127) << 23);
    return scaled * (FloatVector)((whole - half + 127) << 23);
#endif
}

#define EVEN_OF_TWO(lane) 2 * (lane)
#define ODD_OF_TWO(lane) 2 * (lane) + 1
#define ZIP_LOW(lane) (lane) / 2 + (lane) % 2 * LANE_COUNT
#define ZIP_HIGH(lane) LANE_COUNT / 2 + (lane) / 2 + (lane) % 2 * LANE_COUNT

/// Lanes 0, 2, 4… of two vectors side by side.
VECTOR_OP FloatVector even_lanes(FloatVector a, FloatVector b) {
    return __builtin_shufflevector(a, b, FOR_EACH_LANE(EVEN_OF_TWO));
}

/// Lanes 1, 3, 5… of two vectors side by side.
VECTOR_OP FloatVector odd_lanes(FloatVector a, FloatVector b) {
    return __builtin_shufflevector(a, b, FOR_EACH_LANE(ODD_OF_TWO));
}

/// The first halves of two vectors, lane by lane in turn.
VECTOR_OP FloatVector zip_low(FloatVector a, FloatVector b) {
    return __builtin_shufflevector(a, b, FOR_EACH_LANE(ZIP_LOW));
}

/// The second halves of two vectors, lane by lane in turn.
VECTOR_OP FloatVector zip_high(FloatVector a, FloatVector b) {
    return __builtin_shufflevector(a, b, FOR_EACH_LANE(ZIP_HIGH));
}
