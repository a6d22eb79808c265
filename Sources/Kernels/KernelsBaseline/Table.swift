// SPDX-License-Identifier: Apache-2.0
public import KernelInterface

/// The kernels compiled for the registers of every x86-64 processor.
public func table(over reference: KernelTable) -> KernelTable {
    vectorisedTable(named: "baseline", over: reference)
}
