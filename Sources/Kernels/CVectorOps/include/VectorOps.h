// SPDX-License-Identifier: Apache-2.0
//
// The vector primitives that Swift lacks, for the instruction set that this header is compiled for.
#pragma once

#include "VectorTypes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/// Prefetches the cache line at `address`, which may be anywhere.
VECTOR_OP void prefetch_line(const void *address) { __builtin_prefetch(address); }

/// The same, but not into the first-level cache.
VECTOR_OP void prefetch_line_to_second_level(const void *address) { __builtin_prefetch(address, 0, 2); }

/// Neighbouring words; the compiler keeps the order of such loads among each other.
///
/// Processors fetch ahead of loads in rising order: a loop of one row's products in C on one thread of Zen 4
/// reads 30 GB/s in this order, as much as plain reading does, and 22 in the order that LLVM chooses.
VECTOR_OP WordVector load_words_in_order(const void *address) {
    typedef WordVector Unaligned __attribute__((aligned(4)));
    return *(const volatile Unaligned *)address;
}

/// Reads a byte of every cache line, in order: as fast as memory is, where reading many rows side by side
/// waits for each line.
VECTOR_OP void touch_lines(const void *start, long byte_count) {
    for (long offset = 0; offset < byte_count; offset += 64)
        (void)*((const volatile char *)start + offset);
}

VECTOR_OP FloatVector float_from_int(IntVector values) {
    return __builtin_convertvector(values, FloatVector);
}

/// `sum + a · b`, in one rounding where the instruction set has that.
VECTOR_OP FloatVector multiply_add(FloatVector sum, FloatVector a, FloatVector b) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_elementwise_fma(a, b, sum);
#else
    return sum + a * b;
#endif
}

/// The larger of each pair of numbers.
VECTOR_OP IntVector larger_int(IntVector a, IntVector b) { return __builtin_elementwise_max(a, b); }

typedef float FourFloats __attribute__((vector_size(16)));

/// A number times 1, 2^¼, 2^½ and 2^¾.
VECTOR_OP FourFloats quarter_powers(float number) {
    return (FourFloats){1, 1.189207115f, 1.414213562f, 1.681792831f} * number;
}

/// Adds 4⁻ᵉ to each sum: e, at most `most`, is how often a magnitude may be doubled without exceeding the reach.
///
/// The difference of two floats' bits counts that. In registers of more lanes LLVM takes the vectors apart.
VECTOR_OP FourFloats add_squared_units(FourFloats sums, FourFloats reaches, int32_t magnitude, int32_t most) {
    typedef int32_t FourInts __attribute__((vector_size(16)));
    FourInts doublings = ((FourInts)reaches - magnitude) >> 23;
    doublings = __builtin_elementwise_min(doublings, (FourInts){0} + most);
    return sums + (FourFloats)((127 - 2 * doublings) << 23);
}

/// The sum of all lanes, always in the same order.
VECTOR_OP int32_t int_sum(IntVector values) { return __builtin_reduce_add(values); }

/// The largest lane.
VECTOR_OP int32_t int_max(IntVector values) { return __builtin_reduce_max(values); }

/// Stores the lowest byte of each lane, four together in words that are `stride` words apart.
VECTOR_OP void store_quads(IntVector values, int32_t *out, long stride) {
    typedef int8_t Bytes __attribute__((vector_size(LANE_COUNT)));
    Bytes bytes = __builtin_convertvector(values, Bytes);
    int32_t quads[LANE_COUNT / 4];
    __builtin_memcpy(quads, &bytes, sizeof bytes);
    for (long quad = 0; quad < LANE_COUNT / 4; quad++) out[quad * stride] = quads[quad];
}

/// Rounds the 16 products with `factor` to integers, ties to even, and stores their lowest bytes.
VECTOR_OP void store_rounded(const float *values, float factor, void *out) {
    typedef float Floats __attribute__((vector_size(64)));
    typedef uint32_t Words __attribute__((vector_size(64)));
    typedef uint8_t Bytes __attribute__((vector_size(16)));
    Floats numbers;
    __builtin_memcpy(&numbers, values, sizeof numbers);
    // A statement of its own, so that no compiler fuses the product with the addition.
    numbers *= factor;
    // Numbers near 1.5 · 2^23 are spaced by 1: the addition rounds, and the low bits are the integer.
    numbers += 0x1.8p23f;
    Bytes bytes = __builtin_convertvector((Words)numbers, Bytes);
    __builtin_memcpy(out, &bytes, sizeof bytes);
}

/// Neighbouring signed bytes, one in each lane.
VECTOR_OP IntVector ints_from_bytes(const void *bytes) {
    typedef int8_t Bytes __attribute__((vector_size(LANE_COUNT)));
    Bytes loaded;
    __builtin_memcpy(&loaded, bytes, sizeof loaded);
    return __builtin_convertvector(loaded, IntVector);
}

/// Every word shifted down by `bits`, 0 to 31, which need not be known to the compiler.
VECTOR_OP WordVector shift_words_down(WordVector words, long bits) { return words >> (uint32_t)bits; }

/// Two in every byte of the words whose bit `bit`, 0 to 31, is set; zero in the others.
VECTOR_OP WordVector twos_where_set(WordVector words, long bit) {
    return (WordVector)((IntVector)(words << (uint32_t)(31 - bit)) >> 31) & 0x02020202;
}

/// One row's word, from neighbouring words of several rows, in every lane.
///
/// NEON's dot product takes one word of a register for all its lanes, so that one load serves four rows.
/// It reads up to three words more than there are rows.
VECTOR_OP IntVector word_of_row(const void *words, long row) {
#if defined(__aarch64__)
    IntVector loaded;
    __builtin_memcpy(&loaded, (const int32_t *)words + row / LANE_COUNT * LANE_COUNT, sizeof loaded);
    int32_t word = loaded[row % LANE_COUNT];
#else
    int32_t word;
    __builtin_memcpy(&word, (const int32_t *)words + row, sizeof word);
#endif
    return word - (IntVector){0};
}

/// The high nibble of every byte.
VECTOR_OP WordVector high_nibbles(WordVector bytes) {
#if defined(__aarch64__)
    return (WordVector)((uint8x16_t)bytes >> 4);
#else
    return (bytes >> 4) & 0x0f0f0f0f;
#endif
}

/// The low half of each lane, side by side.
VECTOR_OP HalfVector low_halves(WordVector values) {
    return __builtin_convertvector(values, HalfVector);
}

VECTOR_OP WordVector words_from_halves(HalfVector values) {
    return __builtin_convertvector(values, WordVector);
}

/// Widens IEEE half-precision numbers, exactly.
VECTOR_OP FloatVector floats_from_halves(HalfVector bits) {
#if LANE_COUNT == 16
    return (FloatVector)_mm512_cvtph_ps((__m256i)bits);
#elif defined(__F16C__)
    return (FloatVector)_mm256_cvtph_ps((__m128i)bits);
#elif defined(__aarch64__)
    return (FloatVector)vcvt_f32_f16((float16x4_t)bits);
#else
    // As float_from_half, in every lane.
    WordVector words = words_from_halves(bits);
    WordVector magnitude = (words & 0x7fff) << 13;
    FloatVector scaled = (FloatVector)magnitude * 0x1p112f;
    WordVector special = (WordVector)((IntVector)magnitude >= 0x0f800000) & 0x7f800000;
    return (FloatVector)((WordVector)scaled | special | (words & 0x8000) << 16);
#endif
}

/// Rounds to IEEE half precision, ties to even, overflow to infinity.
VECTOR_OP HalfVector halves_from_floats(FloatVector values) {
#if LANE_COUNT == 16
    return (HalfVector)_mm512_cvtps_ph((__m512)values, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__F16C__)
    return (HalfVector)_mm256_cvtps_ph((__m256)values, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__aarch64__)
    return (HalfVector)vcvt_f16_f32((float32x4_t)values);
#else
    WordVector bits = (WordVector)values;
    WordVector sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    // Normal halves: rebias the exponent by 112 and round off 13 bits of fraction.
    WordVector normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    // Subnormal ones: adding 0.5 makes the float unit round at the bit that stays.
    WordVector subnormal = (WordVector)((FloatVector)magnitude + 0.5f) - 0x3f000000;
    WordVector is_small = (WordVector)((IntVector)magnitude < 0x38800000);
    WordVector half = (is_small & subnormal) | (~is_small & normal);
    // 65520 and more round to infinity; NaN stays NaN, quiet, with the top of its payload.
    WordVector is_large = (WordVector)((IntVector)magnitude >= 0x477ff000);
    WordVector is_nan = (WordVector)((IntVector)magnitude > 0x7f800000);
    half = (is_large & 0x7c00) | (~is_large & half);
    half |= is_nan & (0x200 | ((magnitude >> 13) & 0x3ff));
    return low_halves(half | sign);
#endif
}

/// Whether `dot_bytes` takes all 256 values of its unsigned operand.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || (defined(__SSE2__) && !defined(__AVX2__))
#define BYTES_MAY_EXCEED_127 1
#endif

/// Whether products of bytes are added in 16 bits before they are in 32.
#if defined(__AVX2__) && !defined(__AVX512VNNI__) && !defined(__AVXVNNI__)
#define SUMS_OF_16_BITS 1
#endif

/// In each lane, adds the products of four unsigned bytes (at most 127) with four signed ones.
VECTOR_OP IntVector dot_bytes(IntVector sum, IntVector unsigned_bytes, IntVector signed_bytes) {
#if defined(__AVX512VNNI__) && LANE_COUNT == 16
    return (IntVector)_mm512_dpbusd_epi32(
        (__m512i)sum, (__m512i)unsigned_bytes, (__m512i)signed_bytes);
#elif defined(__AVX512VNNI__)
    return (IntVector)_mm256_dpbusd_epi32(
        (__m256i)sum, (__m256i)unsigned_bytes, (__m256i)signed_bytes);
#elif defined(__AVXVNNI__)
    return (IntVector)_mm256_dpbusd_avx_epi32(
        (__m256i)sum, (__m256i)unsigned_bytes, (__m256i)signed_bytes);
#elif defined(__AVX2__)
    // Pairs of products: at most 2 · 127 · 127, within 16 bits.
    __m256i pairs = _mm256_maddubs_epi16((__m256i)unsigned_bytes, (__m256i)signed_bytes);
    return sum + (IntVector)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif defined(__ARM_FEATURE_DOTPROD)
    return (IntVector)vdotq_s32((int32x4_t)sum, (int8x16_t)unsigned_bytes, (int8x16_t)signed_bytes);
#elif defined(__aarch64__)
    int16x8_t low = vmull_s8(vget_low_s8((int8x16_t)unsigned_bytes),
        vget_low_s8((int8x16_t)signed_bytes));
    int16x8_t high = vmull_high_s8((int8x16_t)unsigned_bytes, (int8x16_t)signed_bytes);
    return sum + (IntVector)vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
#elif defined(__SSE2__)
    __m128i a = (__m128i)unsigned_bytes, b = (__m128i)signed_bytes, zero = _mm_setzero_si128();
    __m128i sign = _mm_cmpgt_epi8(zero, b);
    __m128i low = _mm_madd_epi16(_mm_unpacklo_epi8(a, zero), _mm_unpacklo_epi8(b, sign));
    __m128i high = _mm_madd_epi16(_mm_unpackhi_epi8(a, zero), _mm_unpackhi_epi8(b, sign));
    __m128 even = _mm_shuffle_ps((__m128)low, (__m128)high, _MM_SHUFFLE(2, 0, 2, 0));
    __m128 odd = _mm_shuffle_ps((__m128)low, (__m128)high, _MM_SHUFFLE(3, 1, 3, 1));
    return sum + (IntVector)even + (IntVector)odd;
#else
    const uint8_t *a = (const uint8_t *)&unsigned_bytes;
    const int8_t *b = (const int8_t *)&signed_bytes;
    for (int byte = 0; byte < 4 * LANE_COUNT; byte++) sum[byte / 4] += a[byte] * b[byte];
    return sum;
#endif
}

/// Whether `dot_six_bits` adds its products to each other before it does to the sum.
VECTOR_OP _Bool six_bits_add_pairs(void) {
#if defined(SUMS_OF_16_BITS)
    return 1;
#else
    return 0;
#endif
}

/// Two `dot_bytes`, for unsigned bytes of at most 63.
///
/// With AVX2 their pairs of products, at most 2 · 2 · 63 · 127 together, are added in 16 bits: five
/// instructions instead of six, and three multiplications instead of four.
VECTOR_OP IntVector dot_six_bits(IntVector sum, IntVector unsigned_even, IntVector signed_even,
    IntVector unsigned_odd, IntVector signed_odd) {
#if defined(SUMS_OF_16_BITS)
    __m256i even = _mm256_maddubs_epi16((__m256i)unsigned_even, (__m256i)signed_even);
    __m256i odd = _mm256_maddubs_epi16((__m256i)unsigned_odd, (__m256i)signed_odd);
    __m256i pairs = _mm256_add_epi16(even, odd);
    return sum + (IntVector)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
    return dot_bytes(dot_bytes(sum, unsigned_even, signed_even), unsigned_odd, signed_odd);
#endif
}

/// In each lane, adds the products of four 8-bit weights, stored plus 128, with four signed bytes.
///
/// `wide_zero_point` says whether the 128 is still to be subtracted.
VECTOR_OP IntVector dot_bytes_wide(IntVector sum, IntVector weights, IntVector signed_bytes) {
#if defined(BYTES_MAY_EXCEED_127)
    return dot_bytes(sum, weights, signed_bytes);
#elif defined(__AVX2__)
    // |w| · sign(a, w): pairs of products are at most 2 · 128 · 127, within 16 bits.
    __m256i w = _mm256_xor_si256((__m256i)weights, _mm256_set1_epi8((char)0x80));
    return dot_bytes(sum, (IntVector)_mm256_abs_epi8(w),
        (IntVector)_mm256_sign_epi8((__m256i)signed_bytes, w));
#elif defined(__aarch64__)
    return dot_bytes(sum, weights ^ (int32_t)0x80808080, signed_bytes);
#else
    const uint8_t *a = (const uint8_t *)&weights;
    const int8_t *b = (const int8_t *)&signed_bytes;
    for (int byte = 0; byte < 4 * LANE_COUNT; byte++) sum[byte / 4] += (a[byte] - 128) * b[byte];
    return sum;
#endif
}

/// What sums of `dot_bytes_wide` leave to be taken off each weight.
VECTOR_OP long wide_zero_point(void) {
#if defined(BYTES_MAY_EXCEED_127)
    return 128;
#else
    return 0;
#endif
}

/// `dot_bytes` for unsigned bytes of at most 15 and at most eight additions.
///
/// A sum begins with `nibble_sum_start` and ends with `nibble_sum`. With AVX2 it is two sums of 16 bits
/// between them, of at most 8 · 2 · 15 · 127, which takes two instructions instead of three.
VECTOR_OP IntVector dot_nibbles(IntVector sum, IntVector nibbles, IntVector signed_bytes) {
#if defined(SUMS_OF_16_BITS)
    __m256i pairs = _mm256_maddubs_epi16((__m256i)nibbles, (__m256i)signed_bytes);
    return (IntVector)_mm256_add_epi16((__m256i)sum, pairs);
#else
    return dot_bytes(sum, nibbles, signed_bytes);
#endif
}

/// The initial value of a sum of `dot_nibbles` to which `start` is added.
VECTOR_OP IntVector nibble_sum_start(IntVector start) {
#if defined(SUMS_OF_16_BITS)
    return (IntVector){0};
#else
    return start;
#endif
}

/// The sum of `dot_nibbles` that began with `nibble_sum_start(start)`.
VECTOR_OP IntVector nibble_sum(IntVector sum, IntVector start) {
#if defined(SUMS_OF_16_BITS)
    return start + (IntVector)_mm256_madd_epi16((__m256i)sum, _mm256_set1_epi16(1));
#else
    return sum;
#endif
}

/// In each lane, adds the products of two signed 16-bit numbers with two others.
VECTOR_OP IntVector dot_pairs(IntVector sum, IntVector a, IntVector b) {
#if defined(__AVX512VNNI__) && LANE_COUNT == 16
    return (IntVector)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512VNNI__)
    return (IntVector)_mm256_dpwssd_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#elif defined(__AVXVNNI__)
    return (IntVector)_mm256_dpwssd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#elif defined(__AVX2__)
    return sum + (IntVector)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return sum + (IntVector)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    // Each half as a signed 32-bit number.
    return sum + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

/// In each lane, adds the products of two bf16 numbers, in the halves of words, with two others.
VECTOR_OP FloatVector dot_brain_floats(FloatVector sum, WordVector a, WordVector b) {
#if defined(__AVX512BF16__) && LANE_COUNT == 16
    return (FloatVector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    // The upper halves are floats once zeros follow them.
    sum = multiply_add(sum, (FloatVector)(a & 0xffff0000), (FloatVector)(b & 0xffff0000));
    return multiply_add(sum, (FloatVector)(a << 16), (FloatVector)(b << 16));
#endif
}

/// Rounds to bf16, ties to even; NaN stays NaN.
VECTOR_OP HalfVector brain_floats_from_floats(FloatVector values) {
    WordVector bits = (WordVector)values;
    WordVector rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    WordVector is_nan = (WordVector)((IntVector)(bits & 0x7fffffff) > 0x7f800000);
    return low_halves((is_nan & ((bits >> 16) | 0x40)) | (~is_nan & rounded));
}

/// `brain_floats_from_floats` for `dot_brain_floats`, in which subnormal numbers may count as zero.
VECTOR_OP HalfVector brain_floats_for_dot(FloatVector values) {
#if defined(__AVX512BF16__) && LANE_COUNT == 16
    return (HalfVector)_mm512_cvtneps_pbh((__m512)values);
#else
    return brain_floats_from_floats(values);
#endif
}

/// Words of two such numbers, the first in the low halves.
VECTOR_OP WordVector brain_float_pairs(FloatVector low, FloatVector high) {
    return words_from_halves(brain_floats_for_dot(low))
        | words_from_halves(brain_floats_for_dot(high)) << 16;
}

/// Replaces every byte, 0 to 15, by the byte of a table of 16 that it names.
VECTOR_OP IntVector lookup_bytes(IntVector indices, const uint8_t *table) {
#if LANE_COUNT == 16
    __m512i entries = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
    return (IntVector)_mm512_shuffle_epi8(entries, (__m512i)indices);
#elif defined(__AVX2__)
    __m256i entries = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    return (IntVector)_mm256_shuffle_epi8(entries, (__m256i)indices);
#elif defined(__aarch64__)
    return (IntVector)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)indices);
#else
    uint8_t bytes[4 * LANE_COUNT];
    __builtin_memcpy(bytes, &indices, sizeof bytes);
    for (int byte = 0; byte < 4 * LANE_COUNT; byte++) bytes[byte] = table[bytes[byte]];
    __builtin_memcpy(&indices, bytes, sizeof bytes);
    return indices;
#endif
}

/// The levels of IQ4_NL and IQ4_XS (`kvalues_iq4nl` of ggml) plus 128.
static const uint8_t iq4_level_table[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181,
    197, 217, 241};

/// Twice the E2M1 numbers of the OCP microscaling format plus 128; code 8 is zero, as in ggml.
static const uint8_t e2m1_level_table[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126,
    125, 124, 122, 120, 116};

/// The same numbers plus 16.
static const uint8_t small_e2m1_level_table[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

/// The levels of IQ2's codes of three bits, a magnitude and a sign, plus 64; code 3 is zero.
static const uint8_t iq2_level_table[16] = {72, 89, 107, 64, 56, 39, 21, 64, 72, 89, 107, 64, 56, 39, 21, 64};

/// The levels of IQ3_XXS's codes of four bits, a magnitude and a sign, plus 64.
static const uint8_t iq3_xxs_level_table[16] = {68, 76, 84, 92, 100, 108, 116, 126, 60, 52, 44, 36, 28, 20, 12,
    2};

/// The levels of IQ3_S's codes of four bits, a magnitude and a sign, plus 16.
static const uint8_t iq3_s_level_table[16] = {17, 19, 21, 23, 25, 27, 29, 31, 15, 13, 11, 9, 7, 5, 3, 1};

VECTOR_OP int32_t iq4_level(int32_t nibble) { return iq4_level_table[nibble]; }

VECTOR_OP int32_t e2m1_level(int32_t nibble) { return e2m1_level_table[nibble]; }

VECTOR_OP int32_t small_e2m1_level(int32_t nibble) { return small_e2m1_level_table[nibble]; }

VECTOR_OP int32_t iq2_level(int32_t code) { return iq2_level_table[code]; }

VECTOR_OP int32_t iq3_xxs_level(int32_t code) { return iq3_xxs_level_table[code]; }

VECTOR_OP int32_t iq3_s_level(int32_t code) { return iq3_s_level_table[code]; }

VECTOR_OP IntVector iq4_levels(IntVector nibbles) { return lookup_bytes(nibbles, iq4_level_table); }

VECTOR_OP IntVector e2m1_levels(IntVector nibbles) {
    return lookup_bytes(nibbles, e2m1_level_table);
}

VECTOR_OP IntVector small_e2m1_levels(IntVector nibbles) {
    return lookup_bytes(nibbles, small_e2m1_level_table);
}

VECTOR_OP IntVector iq2_levels(IntVector codes) { return lookup_bytes(codes, iq2_level_table); }

VECTOR_OP IntVector iq3_xxs_levels(IntVector codes) { return lookup_bytes(codes, iq3_xxs_level_table); }

VECTOR_OP IntVector iq3_s_levels(IntVector codes) { return lookup_bytes(codes, iq3_s_level_table); }
