// SPDX-License-Identifier: Apache-2.0
import CAllocationCount

/// The mean number of allocations per run; a dash where they cannot be counted.
func allocations(of runs: Int, _ body: () throws -> Void) rethrows -> String {
    guard allocation_count() >= 0 else { return "-" }
    let before = allocation_count()
    for _ in 0..<runs { try body() }
    return decimal(Double(allocation_count() - before) / Double(runs), digits: 3)
}
