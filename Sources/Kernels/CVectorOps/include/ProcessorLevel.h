// SPDX-License-Identifier: Apache-2.0
#pragma once

/// What an x86-64 processor, and its operating system, can run; the highest level that holds counts.
///
/// Each of them includes the baseline, and all but the baseline include AVX2. AVX-VNNI and AVX-512 do not
/// include each other: a processor of either AVX-512 level may lack AVX-VNNI.
enum ProcessorLevel {
    PROCESSOR_BASELINE,
    PROCESSOR_AVX2,
    PROCESSOR_AVX_VNNI,
    PROCESSOR_AVX512_VNNI,
    PROCESSOR_AVX512_BF16,
};

/// This processor's level, by CPUID; the baseline on other architectures.
enum ProcessorLevel processor_level(void);

/// Whether this processor is Intel's.
int processor_is_intel(void);

/// The name of an instruction set that distinguishes levels; null past the last `index`.
const char *processor_feature_name(int index);

/// Whether this processor, and its operating system, have that instruction set.
int processor_has_feature(int index);
