// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The kernels compiled for Arm's NEON.
public func table(over reference: KernelTable) -> KernelTable {
    vectorisedTable(named: "neon", over: reference)
}
