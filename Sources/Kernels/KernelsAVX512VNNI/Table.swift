// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The kernels compiled for AVX-512 with VNNI.
public func table(over reference: KernelTable) -> KernelTable {
    vectorisedTable(named: "avx512vnni", over: reference)
}
