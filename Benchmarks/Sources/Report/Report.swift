// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import MachinePeaks

/// Prints tables of rates relative to the machine's peaks, and comparisons of alternatives.
@main struct Report {
    /// The tables by name.
    ///
    /// Without names, all are printed.
    private static let tables: KeyValuePairs<String, @Sendable (ReportOptions) -> Void> = [
        "peaks": { printPeaks(threads: $0.threads) },
        "pool": { printForkJoins(threads: $0.threads) },
        "contention": { printContention(threads: $0.threads) },
        "products": { printProducts($0.kernels, threads: $0.threads, kinds: $0.kinds) },
        "floats": { printFloatProducts($0.kernels, threads: $0.threads) },
        "selection": { printSelections(threads: $0.threads) },
    ]
    /// The tables of a whole model.
    private static let modelTables:
        KeyValuePairs<String, @Sendable (LLaVAModel, ModelPair) throws -> Void> = [
            "vision": { model, _ in try printVision(model) },
            "decoder": { model, _ in try printDecoder(model) },
            "pauses": printPauses,
            "unequal": { model, _ in try printUnequalCores(model) },
        ]

    /// The table of packing and, if a model is named, of loading.
    private static let loadTable = "load"

    static func main() throws {
        let known = tables.map(\.key) + [loadTable] + modelTables.map(\.key)
        guard let options = ReportOptions(Array(CommandLine.arguments.dropFirst())),
            options.tables.allSatisfy(known.contains)
        else {
            print("usage: Report [\(known.joined(separator: "|"))]… \(ReportOptions.usage)")
            exit(2)
        }
        func isWanted(_ name: String) -> Bool {
            options.tables.isEmpty || options.tables.contains(name)
        }
        for (name, printTable) in tables where isWanted(name) { printTable(options) }
        if isWanted(loadTable) {
            try printPacking()
            if let pair = options.pair { try printLoads(pair, threads: options.threads) }
        }
        guard modelTables.contains(where: { isWanted($0.key) }) else { return }
        guard let pair = options.pair else {
            return print(
                "\(modelTables.map(\.key).joined(separator: ", ")): no --model TEXT.gguf MMPROJ.gguf, "
                    + "the tables are left out")
        }
        let model = try pair.load(threads: options.threads)
        for (name, printTable) in modelTables where isWanted(name) { try printTable(model, pair) }
    }
}
