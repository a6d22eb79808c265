// SPDX-License-Identifier: Apache-2.0
import LLaVAModel
import MachinePeaks
import WorkerPool

/// Prints tables of rates beside the machine's peaks and of alternatives side by side.
@main struct Report {
    /// The tables by name; without names all are printed.
    private static let tables: KeyValuePairs<String, @Sendable (_ threads: Int) -> Void> = [
        "peaks": printPeaks,
        "pool": printForkJoins,
        "contention": printContention,
        "products": printProducts,
        "floats": printFloatProducts,
        "selection": printSelections,
    ]
    /// The tables of a whole model.
    private static let modelTables: KeyValuePairs<String, @Sendable (LLaVAModel) throws -> Void> = [
        "vision": printVision,
        "decoder": printDecoder,
    ]

    /// The table of packing, and of loading where a model is named.
    private static let loadTable = "load"

    static func main() throws {
        var arguments = CommandLine.arguments.dropFirst()
        var pair: ModelPair?
        if let index = arguments.firstIndex(of: "--model"), arguments.endIndex - index > 2 {
            pair = ModelPair(text: arguments[index + 1], projector: arguments[index + 2])
            arguments.removeSubrange(index...(index + 2))
        }
        if let index = arguments.firstIndex(of: "--vision-precision"),
            arguments.endIndex - index > 1,
            let precision = VisionPrecision(rawValue: arguments[index + 1])
        {
            pair?.visionPrecision = precision
            arguments.removeSubrange(index...(index + 1))
        }
        let wanted = Array(arguments)
        let known = tables.map(\.key) + [loadTable] + modelTables.map(\.key)
        guard wanted.allSatisfy(known.contains) else {
            return print(
                "usage: Report [\(known.joined(separator: "|"))]… [--model TEXT.gguf MMPROJ.gguf] "
                    + "[--vision-precision int8|bf16|float]")
        }
        func isWanted(_ name: String) -> Bool { wanted.isEmpty || wanted.contains(name) }
        let threads = PhysicalCores.count()
        for (name, printTable) in tables where isWanted(name) { printTable(threads) }
        if isWanted(loadTable) {
            try printPacking()
            if let pair { try printLoads(pair, threads: threads) }
        }
        guard modelTables.contains(where: { isWanted($0.key) }) else { return }
        guard let pair else {
            return print(
                "vision, decoder: no --model TEXT.gguf MMPROJ.gguf, the tables are left out")
        }
        let model = try pair.load(threads: threads)
        for (name, printTable) in modelTables where isWanted(name) { try printTable(model) }
    }
}
