// SPDX-License-Identifier: Apache-2.0
import COpenBLAS
import Foundation
import KernelInterface
import Kernels
import MachinePeaks
import WorkerPool

/// Products of rows of floats with a float matrix in panels, divided among threads as in the model.
final class FloatProductSample: @unchecked Sendable {
    private let outputs: Int
    private let inputs: Int
    private let rows: Int
    private let kind: PanelKind
    private let kernels: FloatPanelKernels
    private let pool: WorkerPool
    private let panels: PanelBuffer
    private let values: UnsafeMutablePointer<Float>  // [rows, inputs]
    private let rounded: UnsafeMutablePointer<UInt16>  // [rows, inputs]
    private let result: UnsafeMutablePointer<Float>  // [rows, outputs]

    /// - Parameter inputs: an even number.
    init(
        _ kind: PanelKind, outputs: Int, inputs: Int, rows: Int, _ kernels: FloatPanelKernels,
        _ pool: WorkerPool
    ) {
        (self.outputs, self.inputs, self.rows) = (outputs, inputs, rows)
        (self.kind, self.kernels, self.pool) = (kind, kernels, pool)
        panels = PanelBuffer(
            matrixBytes: outputs / 32 * kind.panelBytes(inputs), isStreamed: rows <= 6)
        values = .allocate(capacity: rows * inputs)
        for index in 0..<(rows * inputs) { values[index] = Float(index % 255) - 127 }
        rounded = .allocate(capacity: rows * inputs)
        kernels.brainFloatsFromFloats(values, rounded, rows * inputs)
        result = .allocate(capacity: rows * outputs)
    }

    deinit {
        values.deallocate()
        rounded.deallocate()
        result.deallocate()
    }

    /// - Parameter roundsInputs: whether to multiply bf16 numbers by bf16 numbers.
    func multiply(roundsInputs: Bool) {
        let matrix = panels.next()
        let kernel = kernels.product(kind)
        let perChunk = max(1, (1 << 19) / (32 * inputs * rows))
        let count = outputs / 32
        let tiles = (rows + FloatPanelKernels.rowsPerTile - 1) / FloatPanelKernels.rowsPerTile
        pool.forEach((count + perChunk - 1) / perChunk) { chunk, _ in
            for index in (chunk * perChunk)..<min(count, (chunk + 1) * perChunk) {
                let panel = matrix + index * kind.panelBytes(inputs)
                for tile in 0..<tiles {
                    let (first, end) = (tile * rows / tiles, (tile + 1) * rows / tiles)
                    let out = result + first * outputs + 32 * index
                    if roundsInputs {
                        kernels.brainFloatProduct(
                            end - first, rounded + first * inputs, inputs, panel, inputs, out,
                            outputs)
                    } else {
                        kernel(
                            end - first, values + first * inputs, inputs, panel, inputs, out,
                            outputs)
                    }
                }
            }
        }
    }

    /// The product with a matrix of the same size by OpenBLAS's `sgemm`.
    func multiplyByOpenBLAS(threads: Int) {
        openblas_set_num_threads(Int32(threads))
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows), Int32(outputs), Int32(inputs), 1,
            values, Int32(inputs), panels.next().assumingMemoryBound(to: Float.self),
            Int32(inputs), 0, result, Int32(outputs))
    }

    /// The multiplications and additions of one product.
    var operations: Double { 2 * Double(rows) * Double(outputs) * Double(inputs) }
    /// The bytes of the weights.
    var weightBytes: Double { Double(panels.matrixBytes) }
}

/// Prints the rates of products with float panels relative to the machine's peaks.
func printFloatProducts(_ kernels: KernelTable, threads: Int) {
    let pool = WorkerPool(threadCount: threads)
    print("kernels: \(kernels.name), \(threads) threads; bf16×bf16 rounds activations")
    let counts = [1, 2, 6, 16, 64, 128, 577]
    var rows = [["GFLOPS (% of peak)"] + counts.map { "M=\($0)" }]
    var reading = [["GB/s (% of streaming)"] + counts.prefix(3).map { "M=\($0)" }]
    for (name, kind, roundsInputs) in [
        ("f32", PanelKind.f32, false), ("f16", .f16, false), ("bf16", .bf16, false),
        ("bf16×bf16", .bf16, true),
    ] {
        let peaks = MachinePeaks.measure(threads: threads)
        let peak = roundsInputs ? peaks.bf16 ?? peaks.fma : peaks.fma
        for (outputs, inputs) in productShapes {
            let rates = counts.map { count -> (Double, Double) in
                let sample = FloatProductSample(
                    kind, outputs: outputs, inputs: inputs, rows: count, kernels.floatPanels, pool)
                let seconds = fastest { sample.multiply(roundsInputs: roundsInputs) }
                return (sample.operations / seconds * 1e-9, sample.weightBytes / seconds * 1e-9)
            }
            let label = "\(name) \(outputs)×\(inputs)"
            rows.append([label] + rates.map { share($0.0, of: peak?.gigaOperations) })
            reading.append([label] + rates.prefix(3).map { share($0.1, of: peaks.streamingRead) })
        }
    }
    for (outputs, inputs) in productShapes {
        let peak = MachinePeaks.measure(threads: threads).fma
        let rates = counts.map { count -> Double in
            let sample = FloatProductSample(
                .f32, outputs: outputs, inputs: inputs, rows: count, kernels.floatPanels, pool)
            return sample.operations / fastest { sample.multiplyByOpenBLAS(threads: threads) }
                * 1e-9
        }
        rows.append(
            ["OpenBLAS f32 \(outputs)×\(inputs)"]
                + rates.map { share($0, of: peak?.gigaOperations) })
    }
    printTable(rows)
    printTable(reading)
}
