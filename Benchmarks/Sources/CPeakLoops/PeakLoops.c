// SPDX-License-Identifier: Apache-2.0
#include "CPeakLoops.h"

#if defined(__x86_64__)
#include <immintrin.h>

/// The number of independent sums: more than latency (4 or 5) times throughput (2), at most the registers.
#define SUMS 12

/// Defines a loop of `SUMS` independent steps `sum = step` on two operands that stay in registers.
///
/// The empty assembly makes the compiler treat the operands as new in every step and the sums as used at the
/// end, so it can neither share nor move any work.
#define PEAK_LOOP(name, features, sum_type, operand_type, operand, step) \
    __attribute__((target(features), noinline)) static void name(long iterations) { \
        sum_type sums[SUMS] = {}; \
        operand_type left = operand, right = operand; \
        for (long iteration = 0; iteration < iterations; iteration++) { \
            _Pragma("clang loop unroll(full)") for (int index = 0; index < SUMS; index++) { \
                __asm__ volatile("" : "+v"(left), "+v"(right)); \
                sum_type sum = sums[index]; \
                sums[index] = step; \
            } \
        } \
        for (int index = 0; index < SUMS; index++) __asm__ volatile("" ::"v"(sums[index])); \
    }

PEAK_LOOP(int8_avx512, "avx512f,avx512vnni", __m512i, __m512i, _mm512_set1_epi8(3),
          _mm512_dpbusd_epi32(sum, left, right))
PEAK_LOOP(int8_avxvnni, "avx2,avxvnni", __m256i, __m256i, _mm256_set1_epi8(3),
          _mm256_dpbusd_avx_epi32(sum, left, right))
/// The operand of the second multiplication is arbitrary: only its cost matters.
PEAK_LOOP(int8_avx2, "avx2", __m256i, __m256i, _mm256_set1_epi8(3),
          _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(left, right), right)))
PEAK_LOOP(float32_avx512, "avx512f", __m512, __m512, _mm512_set1_ps(0.1f),
          _mm512_fmadd_ps(left, right, sum))
PEAK_LOOP(float32_avx2, "avx2,fma", __m256, __m256, _mm256_set1_ps(0.1f),
          _mm256_fmadd_ps(left, right, sum))
PEAK_LOOP(bfloat16_avx512, "avx512f,avx512bf16", __m512, __m512bh,
          (__m512bh)_mm512_set1_epi16(0x3dcd), _mm512_dpbf16_ps(sum, left, right))

peak_loop int8_peak_loop(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni"))
        return (peak_loop){"vpdpbusd zmm", SUMS * 128, int8_avx512};
    if (__builtin_cpu_supports("avxvnni"))
        return (peak_loop){"vpdpbusd ymm", SUMS * 64, int8_avxvnni};
    if (__builtin_cpu_supports("avx2"))
        return (peak_loop){"vpmaddubsw + vpmaddwd + vpaddd ymm", SUMS * 64, int8_avx2};
    return (peak_loop){0};
}

peak_loop float32_peak_loop(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return (peak_loop){"vfmadd231ps zmm", SUMS * 32, float32_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (peak_loop){"vfmadd231ps ymm", SUMS * 16, float32_avx2};
    return (peak_loop){0};
}

peak_loop bfloat16_peak_loop(void) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bf16"))
        return (peak_loop){"vdpbf16ps zmm", SUMS * 64, bfloat16_avx512};
    return (peak_loop){0};
}

#else

peak_loop int8_peak_loop(void) { return (peak_loop){0}; }
peak_loop float32_peak_loop(void) { return (peak_loop){0}; }
peak_loop bfloat16_peak_loop(void) { return (peak_loop){0}; }

#endif

typedef uint64_t cache_line __attribute__((vector_size(64)));

/// The distance in bytes of a prefetch from its load, which covers the memory's latency at 40 GB/s.
#define PREFETCH_DISTANCE 4096

#define READ_STREAM(name, prefetch) \
    uint64_t name(const void *memory, size_t bytes) { \
        const cache_line *lines = memory; \
        cache_line sums[4] = {}; \
        for (size_t line = 0; line < bytes / sizeof *lines; line += 4) \
            for (size_t part = 0; part < 4; part++) { \
                prefetch((const char *)(lines + line + part) + PREFETCH_DISTANCE); \
                sums[part] += lines[line + part]; \
            } \
        cache_line sum = sums[0] + sums[1] + sums[2] + sums[3]; \
        uint64_t total = 0; \
        for (int word = 0; word < 8; word++) total += sum[word]; \
        return total; \
    }

#define NO_PREFETCH(address) ((void)0)

READ_STREAM(read_stream, NO_PREFETCH)
READ_STREAM(read_stream_prefetched, __builtin_prefetch)
