// SPDX-License-Identifier: Apache-2.0
import MachinePeaks
import WorkerPool

/// Prints tables of rates beside the machine's peaks and of alternatives side by side.
@main struct Report {
    /// The tables by name; without arguments all are printed.
    private static let tables: KeyValuePairs<String, @Sendable (_ threads: Int) -> Void> = [
        "peaks": printPeaks,
        "pool": printForkJoins,
        "contention": printContention,
        "products": printProducts,
        "floats": printFloatProducts,
    ]

    static func main() {
        let wanted = CommandLine.arguments.dropFirst()
        let known = tables.map(\.key)
        guard wanted.allSatisfy(known.contains) else {
            print("usage: Report [\(known.joined(separator: "|"))]…")
            return
        }
        for (name, printTable) in tables where wanted.isEmpty || wanted.contains(name) {
            printTable(PhysicalCores.count())
        }
    }
}
