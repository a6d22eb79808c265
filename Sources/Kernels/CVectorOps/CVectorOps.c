// SPDX-License-Identifier: Apache-2.0
#include "CVectorOps.h"

#if defined(__x86_64__)
#include <cpuid.h>

/// AVX-VNNI, CPUID leaf 7.1, EAX bit 4; `__builtin_cpu_supports` of older compilers lacks it.
static int has_avx_vnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}

enum { AVX2, FMA, F16C, AVX_VNNI, AVX512F, AVX512BW, AVX512DQ, AVX512VL, AVX512_VNNI, AVX512_BF16,
    FEATURES };

static const char *const feature_names[FEATURES] = {
    "avx2", "fma", "f16c", "avxvnni", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni",
    "avx512bf16",
};

const char *processor_feature_name(int index) {
    return index >= 0 && index < FEATURES ? feature_names[index] : 0;
}

int processor_has_feature(int index) {
    __builtin_cpu_init();
    switch (index) {
    case AVX2: return !!__builtin_cpu_supports("avx2");
    case FMA: return !!__builtin_cpu_supports("fma");
    case F16C: return !!__builtin_cpu_supports("f16c");
    case AVX_VNNI: return __builtin_cpu_supports("avx2") && has_avx_vnni();
    case AVX512F: return !!__builtin_cpu_supports("avx512f");
    case AVX512BW: return !!__builtin_cpu_supports("avx512bw");
    case AVX512DQ: return !!__builtin_cpu_supports("avx512dq");
    case AVX512VL: return !!__builtin_cpu_supports("avx512vl");
    case AVX512_VNNI: return !!__builtin_cpu_supports("avx512vnni");
    case AVX512_BF16: return !!__builtin_cpu_supports("avx512bf16");
    default: return 0;
    }
}

int processor_is_intel(void) {
    __builtin_cpu_init();
    return !!__builtin_cpu_is("intel");
}

static int has_all(int first, int last) {
    for (int index = first; index <= last; index++)
        if (!processor_has_feature(index)) return 0;
    return 1;
}

enum ProcessorLevel processor_level(void) {
    if (!has_all(AVX2, F16C)) return PROCESSOR_BASELINE;
    if (has_all(AVX512F, AVX512_BF16)) return PROCESSOR_AVX512_BF16;
    if (has_all(AVX512F, AVX512_VNNI)) return PROCESSOR_AVX512_VNNI;
    return processor_has_feature(AVX_VNNI) ? PROCESSOR_AVX_VNNI : PROCESSOR_AVX2;
}
#else
enum ProcessorLevel processor_level(void) { return PROCESSOR_BASELINE; }

int processor_is_intel(void) { return 0; }

const char *processor_feature_name(int index) { return 0; }

int processor_has_feature(int index) { return 0; }
#endif
