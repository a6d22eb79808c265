// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import KernelInterface
import Kernels
import TestSupport
import Testing

private let floatFormats: [BlockFormat] = [.f32, .f16, .bf16]

/// Widths around a line of two inputs, a register and a block, and primes.
private let widths = [1, 2, 3, 16, 31, 32, 33, 64, 257, 588]

@Suite struct FloatPanelTests {
    /// `[rows, 32]` products of rows that lie 3 numbers further apart than they are wide.
    private func products(
        _ kernels: FloatPanelKernels, _ sample: PackedSample, _ values: [Float], rows: Int,
        panel: Int = 0
    ) -> [Float]? {
        let stride = sample.inputs + 3
        // The memory between the rows must not be read.
        var spread = [Float](repeating: .nan, count: rows * stride)
        for row in 0..<rows {
            for input in 0..<sample.inputs {
                spread[row * stride + input] = values[row * sample.inputs + input]
            }
        }
        return results(rows: rows) { out, outStride in
            sample.withPanel(panel) {
                kernels.product(sample.kind)(
                    rows, spread, stride, $0, sample.inputs, out, outStride)
            }
        }
    }

    /// The same for rows rounded to bf16.
    private func roundedProducts(
        _ kernels: FloatPanelKernels, _ sample: PackedSample, _ values: [Float], rows: Int
    ) -> [Float]? {
        let stride = (sample.inputs + 1) / 2 * 2
        var rounded = [UInt16](repeating: 0, count: rows * stride)
        for row in 0..<rows {
            let numbers = Array(values[(row * sample.inputs)..<((row + 1) * sample.inputs)])
            rounded.withUnsafeMutableBufferPointer { buffer in
                kernels.brainFloatsFromFloats(
                    numbers, buffer.baseAddress.unsafelyUnwrapped + row * stride, sample.inputs)
            }
        }
        return results(rows: rows) { out, outStride in
            sample.withPanel(0) {
                kernels.brainFloatProduct(
                    rows, rounded, stride, $0, sample.inputs, out, outStride)
            }
        }
    }

    /// What `body` stores in rows that lie 40 numbers apart; nil if it writes anything else.
    private func results(
        rows: Int, _ body: (UnsafeMutablePointer<Float>, Int) -> Void
    ) -> [Float]? {
        var out = [Float](repeating: 12_345, count: rows * 40)
        out.withUnsafeMutableBufferPointer { body($0.baseAddress.unsafelyUnwrapped, 40) }
        guard out.indices.allSatisfy({ $0 % 40 < 32 || out[$0] == 12_345 }) else { return nil }
        return out.indices.filter { $0 % 40 < 32 }.map { out[$0] }
    }

    /// The exact products, and how far rounding may move them.
    private func expected(
        _ sample: PackedSample, _ values: [Float], rows: Int
    ) -> [(product: Double, bound: Double)] {
        (0..<(rows * 32)).map { index in
            let row = values[(index / 32 * sample.inputs)..<((index / 32 + 1) * sample.inputs)]
            let column = index % 32 < sample.outputs ? sample.row(index % 32) : []
            let products = zip(row, column).map { Double($0) * Double($1) }
            let magnitude = products.reduce(0) { $0 + abs($1) }
            // Each product and each sum rounds; subnormal results may count as zero.
            let bound =
                Double(2 * sample.inputs) * (Double(Float.ulpOfOne / 2) * magnitude + 0x1p-126)
            return (products.reduce(0, +), bound)
        }
    }

    private func values(_ rows: Int, _ width: Int) -> [Float] {
        activations(rows: rows, width: width, seed: UInt64(width))
    }

    @Test(arguments: testedTables.map(\.name), floatFormats)
    func productsAreThoseOfPlainLoops(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).floatPanels
        for width in widths {
            let sample = try PackedSample(format, outputs: 29, inputs: width, seed: UInt64(width))
            for rows in 1...FloatPanelKernels.rowsPerTile {
                let values = values(rows, width)
                let found = try #require(products(kernels, sample, values, rows: rows))
                for (product, exact) in zip(found, expected(sample, values, rows: rows)) {
                    #expect(abs(Double(product) - exact.product) <= exact.bound)
                }
            }
        }
    }

    @Test(arguments: testedTables.map(\.name))
    func brainFloatProductsAreThoseOfPlainLoops(table: String) throws {
        let kernels = try testedTable(table).floatPanels
        for width in widths {
            let sample = try PackedSample(.bf16, outputs: 29, inputs: width, seed: UInt64(width))
            for rows in 1...FloatPanelKernels.rowsPerTile {
                let values = values(rows, width)
                let rounded = values.map { Float(bitPattern: UInt32(nearest($0)) << 16) }
                let found = try #require(roundedProducts(kernels, sample, values, rows: rows))
                for (product, exact) in zip(found, expected(sample, rounded, rows: rows)) {
                    #expect(abs(Double(product) - exact.product) <= exact.bound)
                }
            }
        }
    }

    @Test(arguments: vectorisedTables, floatFormats)
    func aRowDoesNotDependOnItsNeighbours(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).floatPanels
        let sample = try PackedSample(format, outputs: 32, inputs: 131)
        let values = values(6, 131)
        func row(_ index: Int) -> [Float] { Array(values[(index * 131)..<((index + 1) * 131)]) }
        for rows in 1...6 {
            let together = products(kernels, sample, values, rows: rows)
            let rounded =
                format == .bf16 ? roundedProducts(kernels, sample, values, rows: rows) : nil
            for index in 0..<rows {
                let place = (32 * index)..<(32 * index + 32)
                let alone = products(kernels, sample, row(index), rows: 1)
                #expect(together.map { Array($0[place]) } == alone)
                guard let rounded else { continue }
                let aloneRounded = roundedProducts(kernels, sample, row(index), rows: 1)
                #expect(Array(rounded[place]) == aloneRounded)
            }
        }
    }

    @Test(arguments: testedTables.map(\.name))
    func roundsToTheNearestBrainFloat(table: String) throws {
        let kernels = try testedTable(table).floatPanels
        var random = SeededGenerator(seed: 4)
        // Random bits, ties on either side, the largest numbers, and non-finite ones.
        var floats = (0..<5000).map { _ in
            Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random))
        }
        floats += (0..<256).map { Float(bitPattern: 0x3F80_8000 + $0 << 16) }
        floats += [0, -0.0, .greatestFiniteMagnitude, .infinity, -.infinity, .nan]
        for count in [0, 1, 15, 17, floats.count] {
            var found = [UInt16](repeating: 7, count: count + 1)
            kernels.brainFloatsFromFloats(floats, &found, count)
            #expect(found[count] == 7)
            for (float, bits) in zip(floats, found.prefix(count)) {
                let value = Float(bitPattern: UInt32(bits) << 16)
                #expect(float.isNaN ? value.isNaN : bits == nearest(float), "\(float)")
            }
        }
    }

    /// The definition: the nearer of the two bf16 neighbours, or the even one of a tie.
    private func nearest(_ value: Float) -> UInt16 {
        let below = UInt16(value.bitPattern >> 16)
        guard value.isFinite else { return below }
        func number(_ bits: UInt16) -> Double {
            // Beyond the largest number, the one with the next exponent.
            bits & 0x7FFF == 0x7F80
                ? (bits >> 15 == 0 ? 0x1p128 : -0x1p128)
                : Double(Float(bitPattern: UInt32(bits) << 16))
        }
        let low = abs(Double(value) - number(below))
        let high = abs(number(below + 1) - Double(value))
        return low < high || (low == high && below % 2 == 0) ? below : below + 1
    }
}
