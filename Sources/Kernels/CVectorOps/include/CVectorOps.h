// SPDX-License-Identifier: Apache-2.0
//
// The few primitives that Swift lacks, as inlined C functions. Header only: every importing target
// compiles them with its own instruction-set flags.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "Codebooks.h"
#include "FloatOps.h"
#include "ProcessorLevel.h"
#include "Transpose.h"
#include "VectorOps.h"
#include "VectorTypes.h"

/// The value of an IEEE half-precision number given by its bits.
///
/// Without conversion instructions `_Float16` costs a function call each; this form vectorises. The
/// half's exponent and fraction, read as a float's, are 2^112 too small; only infinities and NaNs
/// need their exponent set.
VECTOR_OP float float_from_half(uint16_t bits) {
    uint32_t magnitude = (uint32_t)(bits & 0x7fff) << 13;
    float scaled;
    memcpy(&scaled, &magnitude, sizeof scaled);
    scaled *= 0x1p112f;
    uint32_t result;
    memcpy(&result, &scaled, sizeof result);
    result |= magnitude >= 0x0f800000 ? 0x7f800000 : 0;
    result |= (uint32_t)(bits & 0x8000) << 16;
    memcpy(&scaled, &result, sizeof scaled);
    return scaled;
}

/// The bits of the half-precision number nearest to `value` (ties to even, overflow to infinity).
VECTOR_OP uint16_t half_from_float(float value) {
    _Float16 half = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return bits;
}

/// The bits of the bf16 number nearest to `value` (ties to even; NaN stays NaN).
VECTOR_OP uint16_t brain_float_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// Tells the processor that this thread spins, which spares its sibling thread and the power
/// budget.
VECTOR_OP void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
