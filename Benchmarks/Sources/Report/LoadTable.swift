// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Foundation
import KernelInterface
import Kernels
import TensorOps
import WeightPanels
import WorkerPool

/// A matrix of one format in memory, like a file's pages during loading.
private final class PackingSample: @unchecked Sendable {
    private static let outputs = 4096
    private static let inputs = 4096

    let matrix: WeightMatrix
    let byteCount: Int
    private let format: BlockFormat
    private let source: UnsafeMutableRawPointer

    init(_ format: BlockFormat) {
        self.format = format
        byteCount = Self.outputs * format.byteCount(of: Self.inputs)
        let source = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 64)
        // Packing takes the same time for all finite numbers with nonzero scales.
        source.initializeMemory(as: UInt8.self, repeating: 0x3C, count: byteCount)
        self.source = source
        matrix = WeightMatrix(
            name: format.name, format: format, outputs: Self.outputs, inputs: Self.inputs,
            bytes: source, owner: SourceOwner(start: source))
    }

    /// Packs all rows into `panels`, which must have room for them.
    func pack(into panels: UnsafeMutableRawPointer) {
        let packer = PanelPacker(format, inputs: Self.inputs)
        for panel in 0..<(Self.outputs / PanelKind.columns) {
            let row = panel * PanelKind.columns
            _ = packer.pack(
                source + row * format.byteCount(of: Self.inputs), count: PanelKind.columns,
                into: panels + panel * packer.panelBytes)
        }
    }

    /// The bytes of the panels.
    var panelBytes: Int {
        Self.outputs / PanelKind.columns * PanelPacker(format, inputs: Self.inputs).panelBytes
    }
}

/// Frees a sample's memory after the last matrix that reads it.
private final class SourceOwner: @unchecked Sendable {
    private let start: UnsafeMutableRawPointer

    init(start: UnsafeMutableRawPointer) { self.start = start }

    deinit { start.deallocate() }
}

/// Prints how fast one thread packs each format into memory that was written before and into new pages, which
/// the system clears first.
func printPacking() throws {
    let ops = TensorOps(kernels: KernelTable.available[0], pool: WorkerPool(threadCount: 1))
    var rows = [["packing, GB/s of the file and thread", "written memory", "new pages", "first"]]
    for format in BlockFormat.allCases {
        let sample = PackingSample(format)
        let panels = UnsafeMutableRawPointer.allocate(
            byteCount: sample.panelBytes, alignment: 1 << 21)
        defer { panels.deallocate() }
        let written = fastest { sample.pack(into: panels) }
        let times = try newPageSeconds { _ = try ops.pack(sample.matrix) }
        rows.append(
            [format.name] + ([written] + times).map { rate(sample.byteCount, $0) })
    }
    let sample = PackingSample(.f16)
    let times = try newPageSeconds { _ = try ops.packRounded(sample.matrix) }
    rows.append(["F16, rounded to Q8_0", ""] + times.map { rate(sample.byteCount, $0) })
    printTable(rows)
}

/// Prints the time of loading a pair, several times.
///
/// The first load may find the files uncached and get new memory.
func printLoads(_ pair: ModelPair, threads: Int) throws {
    var rows = [["loading, seconds"] + (1...4).map { "run \($0)" }]
    for count in Set([1, threads]).sorted() {
        let times = try (1...4).map { _ in
            try ContinuousClock().measure { _ = try pair.load(threads: count) } / .seconds(1)
        }
        let noun = count == 1 ? "thread" : "threads"
        rows.append(["\(count) \(noun)"] + times.map { decimal($0, digits: 2) })
    }
    printTable(rows)
}

/// The seconds of the shortest of several runs and of the first.
private func newPageSeconds(_ body: () throws -> Void) rethrows -> [Double] {
    let times = try (0..<6).map { _ in
        try ContinuousClock().measure { try body() } / .seconds(1)
    }
    return [times.min() ?? 0, times[0]]
}

private func rate(_ byteCount: Int, _ seconds: Double) -> String {
    decimal(Double(byteCount) / seconds * 1e-9)
}
