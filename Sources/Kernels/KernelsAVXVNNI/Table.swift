// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The kernels compiled for 256-bit AVX-VNNI.
public func table(over reference: KernelTable) -> KernelTable {
    vectorisedTable(named: "avxvnni", over: reference)
}
