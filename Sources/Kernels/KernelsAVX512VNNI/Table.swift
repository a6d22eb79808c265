// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The kernels compiled for AVX-512 with VNNI.
///
/// - Parameter isIntel: whether the processor is Intel's.
public func table(over reference: KernelTable, isIntel: Bool) -> KernelTable {
    vectorisedTable(named: "avx512vnni", over: reference, isIntel: isIntel)
}
