// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// AVX-VNNI's kernels on the same 256-bit vectors, encoded as AVX-512 VNNI.
public func table(over reference: KernelTable) -> KernelTable {
    vectorisedTable(named: "avxvnni-evex", over: reference)
}
