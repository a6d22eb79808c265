// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Foundation
import KernelInterface
import Kernels
import MachinePeaks
import WorkerPool

/// Products of quantised rows with a packed matrix, divided among threads as in the model.
final class ProductSample: @unchecked Sendable {
    let outputs: Int
    let inputs: Int
    let kind: PanelKind
    private let kernels: PanelKernels
    private let pool: WorkerPool
    private let panels: PanelBuffer
    private let rows: Int
    private let values: UnsafeMutablePointer<Float>  // [rows, inputs]
    private let tiles: UnsafeMutableRawPointer
    private let tileBytes: Int
    private let starts: [Int]
    private let result: UnsafeMutablePointer<Float>  // [rows, outputs]
    /// An unpacked panel for each thread.
    private let expanded: UnsafeMutableRawPointer

    /// Up to this many rows, as many as decode together, weights come from memory.
    private static let mostStreamedRows = 24

    /// More than the size of the unpacked panels that a thread multiplies at a time.
    private static let expandedBytesPerThread = 2 << 20

    init(
        _ kind: PanelKind, outputs: Int, inputs: Int, rows: Int, _ kernels: PanelKernels,
        _ pool: WorkerPool
    ) {
        self.outputs = outputs
        self.inputs = inputs
        self.kind = kind
        self.kernels = kernels
        self.pool = pool
        self.rows = rows
        panels = PanelBuffer(
            matrixBytes: outputs / 32 * kind.panelBytes(inputs),
            isStreamed: rows <= Self.mostStreamedRows)
        values = .allocate(capacity: rows * inputs)
        for index in 0..<(rows * inputs) { values[index] = Float(index % 255) - 127 }
        tileBytes =
            (ActivationTile.byteCount(rows: kernels.rowsPerTile, width: inputs) + 63) / 64 * 64
        let count = (rows + kernels.rowsPerTile - 1) / kernels.rowsPerTile
        starts = (0...count).map { $0 * rows / count }
        tiles = .allocate(byteCount: count * tileBytes, alignment: 64)
        result = .allocate(capacity: rows * outputs)
        expanded = .allocate(
            byteCount: pool.threadCount * Self.expandedBytesPerThread, alignment: 64)
    }

    deinit {
        values.deallocate()
        tiles.deallocate()
        result.deallocate()
        expanded.deallocate()
    }

    func quantise(_ scaling: ActivationScaling) {
        let kernel = kernels.quantise(scaling)
        pool.forEach(starts.count - 1) { tile, _ in
            kernel(
                values + starts[tile] * inputs, inputs, starts[tile + 1] - starts[tile], inputs,
                tiles + tile * tileBytes)
        }
    }

    func multiply(_ scaling: ActivationScaling) {
        let expansion = kernels.expansion(kind, scaling, tiles: starts.count - 1)
        let kernel = expansion?.product ?? kernels.product(kind, scaling)
        let superblocks = kind.superblocks(inputs)
        let expandedBytes = superblocks * (expansion?.superblockBytes ?? 0)
        let perChunk = panelsPerChunk(max(kind.panelBytes(inputs), expandedBytes))
        let count = outputs / 32
        let first = panels.next()
        pool.forEach((count + perChunk - 1) / perChunk) { chunk, thread in
            let run = (chunk * perChunk)..<min(count, (chunk + 1) * perChunk)
            var weights = first + run.lowerBound * kind.panelBytes(inputs)
            if let expansion {
                let target = expanded + thread * Self.expandedBytesPerThread
                for place in 0..<run.count {
                    expansion.expand(
                        weights + place * kind.panelBytes(inputs), superblocks,
                        target + place * expandedBytes)
                }
                weights = UnsafeRawPointer(target)
            }
            for tile in 0..<(starts.count - 1) {
                kernel(
                    starts[tile + 1] - starts[tile], weights, run.count, superblocks,
                    tiles + tile * tileBytes,
                    result + starts[tile] * outputs + 32 * run.lowerBound, outputs)
            }
        }
    }

    /// The panels that `TensorOps` multiplies at a time.
    private func panelsPerChunk(_ panelBytes: Int) -> Int {
        let share = 4 * pool.threadCount
        let work = min(max(rows * inputs * outputs / share, 1 << 17), 1 << 21)
        let byCache = starts.count > 2 ? min((1 << 19) / panelBytes, outputs / 32 / share) : 1
        return max(1, work / (32 * inputs * rows), byCache)
    }

    /// The multiplications and additions of one product.
    var operations: Double { 2 * Double(rows) * Double(outputs) * Double(inputs) }
    /// The bytes of the weights.
    var weightBytes: Double { Double(panels.matrixBytes) }
}

/// The matrices of a LLaMA-7B layer and of a CLIP-L block, outputs by inputs.
let productShapes = [
    (4096, 4096), (11008, 4096), (4096, 11008), (1024, 1024), (4096, 1024), (1024, 4096),
]

/// Prints the rates of every kernel's products relative to the machine's peaks.
///
/// Few rows are bound by reading weights, many by multiplying, so both ratios are shown. Peaks are measured
/// again for each kind of panel, because clock rates drift.
func printProducts(_ kernels: KernelTable, threads: Int, kinds: [PanelKind]) {
    let pool = WorkerPool(threadCount: threads)
    print("kernels: \(kernels.name), activations: powers of two, \(threads) threads")
    var rows = [["GOPS (% of peak)"] + [1, 2, 4, 6, 12, 24, 64, 128, 576].map { "M=\($0)" }]
    var reading = [["GB/s (% of streaming)"] + [1, 2, 4, 6].map { "M=\($0)" }]
    for kind in kinds {
        let peaks = MachinePeaks.measure(threads: threads)
        for (outputs, inputs) in productShapes {
            let name = "\(kind) \(outputs)×\(inputs)"
            let rates = [1, 2, 4, 6, 12, 24, 64, 128, 576].map { count -> (Double, Double) in
                let sample = ProductSample(
                    kind, outputs: outputs, inputs: inputs, rows: count, kernels.panels, pool)
                sample.quantise(.powerOfTwo)
                let seconds = fastest { sample.multiply(.powerOfTwo) }
                return (sample.operations / seconds * 1e-9, sample.weightBytes / seconds * 1e-9)
            }
            rows.append(
                [name] + rates.map { share($0.0, of: peaks.int8?.gigaOperations) })
            reading.append([name] + rates.prefix(4).map { share($0.1, of: peaks.streamingRead) })
        }
    }
    printTable(rows)
    printTable(reading)
    printQuantiser(kernels.panels, pool)
}

/// Prints the time of rounding activations relative to that of their product.
private func printQuantiser(_ kernels: PanelKernels, _ pool: WorkerPool) {
    var rows = [["rounding 576 rows", "ns per number and thread", "% of a q4_0 product of 4096"]]
    for scaling in ActivationScaling.allCases {
        for inputs in [4096, 11008] {
            let sample = ProductSample(
                .q4_0, outputs: 4096, inputs: inputs, rows: 576, kernels, pool)
            let seconds = fastest { sample.quantise(scaling) }
            let product = fastest { sample.multiply(scaling) }
            let numbers = 576 * Double(inputs) / Double(pool.threadCount)
            rows.append([
                "\(scaling), \(inputs) inputs", decimal(seconds / numbers * 1e9, digits: 2),
                decimal(100 * seconds / product),
            ])
        }
    }
    printTable(rows)
}

/// A rate, and in brackets its percentage of a peak.
func share(_ rate: Double, of peak: Double?) -> String {
    guard let peak else { return decimal(rate, digits: 0) }
    return "\(decimal(rate, digits: 0)) (\(decimal(100 * rate / peak, digits: 0)))"
}

/// The shortest of several runs in seconds, the one with the least interference.
func fastest(_ body: () -> Void) -> Double {
    body()
    var best = Double.infinity
    let start = ContinuousClock.now
    var runs = 0
    while runs < 5 || (runs < 200 && start.duration(to: .now) < .milliseconds(150)) {
        best = min(best, ContinuousClock().measure(body) / .seconds(1))
        runs += 1
    }
    return best
}
