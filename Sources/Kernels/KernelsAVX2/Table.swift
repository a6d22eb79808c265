// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The kernels compiled for AVX2 with FMA.
public func table(over reference: KernelTable) -> KernelTable {
    vectorisedTable(named: "avx2", over: reference)
}
