// SPDX-License-Identifier: Apache-2.0
#include "CVectorOps.h"

#if defined(__x86_64__)
#include <cpuid.h>

/// AVX-VNNI, CPUID leaf 7.1, EAX bit 4; `__builtin_cpu_supports` of older compilers lacks it.
static int has_avx_vnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
}

enum ProcessorLevel processor_level(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("f16c"))
        return PROCESSOR_BASELINE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        return PROCESSOR_AVX512_VNNI;
    return has_avx_vnni() ? PROCESSOR_AVX_VNNI : PROCESSOR_AVX2;
}
#else
enum ProcessorLevel processor_level(void) { return PROCESSOR_BASELINE; }
#endif
