// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The given kernels with AVX-512's instructions for bf16 numbers.
public func table(over kernels: KernelTable) -> KernelTable {
    var table = kernels
    table.name = "avx512bf16"
    table.floatPanels.brainFloatProduct = multiplyBrainFloats
    table.floatPanels.brainFloatAttention = brainFloatAttentionKernels()
    table.floatPanels.hasBrainFloatDot = true
    return table
}
