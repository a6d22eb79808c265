// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import KernelInterface
import Kernels
import TestSupport
import Testing
import WeightPanels

/// Rows of activations in a tile, as a table's quantiser makes it.
struct SampleTile {
    let rows: Int
    var words: [UInt64]

    init(_ kernels: PanelKernels, _ values: [Float], width: Int, _ scaling: ActivationScaling) {
        rows = values.count / width
        words = [UInt64](
            repeating: 0, count: ActivationTile.byteCount(rows: rows, width: width) / 8 + 1)
        words.withUnsafeMutableBytes { tile in
            values.withUnsafeBufferPointer { source in
                kernels.quantise(scaling)(
                    source.baseAddress.unsafelyUnwrapped, width, rows, width,
                    tile.baseAddress.unsafelyUnwrapped)
            }
        }
    }

    /// The products with one panel of a sample: `[rows, 32]`.
    func products(
        _ kernels: PanelKernels, _ sample: PackedSample, panel: Int, _ scaling: ActivationScaling
    ) -> [Float] {
        var out = [Float](repeating: .nan, count: rows * 32)
        words.withUnsafeBytes { tile in
            sample.withPanel(panel) {
                kernels.product(sample.kind, scaling)(
                    rows, $0, 1, sample.kind.superblocks(sample.inputs),
                    tile.baseAddress.unsafelyUnwrapped, &out, 32)
            }
        }
        return out
    }
}

/// Normally distributed rows, some with numbers thirty times as large, some all zeros.
func activations(rows: Int, width: Int, seed: UInt64) -> [Float] {
    var random = SeededGenerator(seed: seed)
    return (0..<(rows * width)).map { index in
        let value = random.nextGaussian()
        if index % 97 == 3 { return 30 * value }
        return index / 32 % 5 == 4 ? 0 : value
    }
}

@Suite struct PanelProductTests {
    @Test(arguments: vectorisedTables, ActivationScaling.allCases)
    func activationsRoundAsTheReferenceRoundsThem(table: String, scaling: ActivationScaling) throws
    {
        let kernels = try testedTable(table).panels
        for rows in 1...kernels.rowsPerTile {
            for width in [1, 31, 32, 33, 64, 255, 256, 257, 544] {
                let values = activations(rows: rows, width: width, seed: UInt64(width))
                let tile = SampleTile(kernels, values, width: width, scaling)
                let expected = SampleTile(
                    KernelTable.reference.panels, values, width: width, scaling)
                #expect(tile.words == expected.words, "\(rows) rows of \(width)")
            }
        }
    }

    @Test(arguments: vectorisedTables, quantisedFormats)
    func productsMatchTheReference(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).panels
        for blocks in [1, 2, 3, 9] {
            let width = blocks * format.blockLength
            let sample = try PackedSample(format, outputs: 32, inputs: width, seed: UInt64(blocks))
            for scaling in ActivationScaling.allCases {
                for rows in 1...kernels.rowsPerTile {
                    let values = activations(rows: rows, width: width, seed: UInt64(rows))
                    let tile = SampleTile(kernels, values, width: width, scaling)
                    let products = tile.products(kernels, sample, panel: 0, scaling)
                    let expected = tile.products(
                        KernelTable.reference.panels, sample, panel: 0, scaling)
                    let bound = roundingBound(sample, values, rows: rows)
                    for index in products.indices {
                        #expect(
                            abs(products[index] - expected[index]) <= bound[index],
                            "\(rows) rows of \(width), \(scaling), \(index)")
                    }
                }
            }
        }
    }

    /// A sum of n blocks, each with a rounding for its scale, product and sum, of at most three times
    /// the magnitude that its products have.
    private func roundingBound(
        _ sample: PackedSample, _ values: [Float], rows: Int
    ) -> [Float] {
        let weights = (0..<32).map { sample.row($0) }
        let blocks = Float(sample.inputs / 16 + 4)
        return (0..<(rows * 32)).map { index in
            let row = values[(index / 32 * sample.inputs)..<((index / 32 + 1) * sample.inputs)]
            let largest = row.reduce(0) { max($0, abs($1)) }
            // Weights less their minimum may be as large as the largest weight minus the smallest.
            let column = weights[index % 32]
            let spread = 2 * column.reduce(0) { max($0, abs($1)) }
            let magnitude = row.reduce(0) { $0 + (abs($1) + largest / 127) * spread }
            return 3 * blocks * .ulpOfOne * magnitude
        }
    }

    /// One row's products with the first panel are finite, and the reference's but for rounding.
    private func expectTheReferenceProducts(
        _ kernels: PanelKernels, _ sample: PackedSample, _ values: [Float],
        _ scaling: ActivationScaling
    ) {
        let tile = SampleTile(kernels, values, width: sample.inputs, scaling)
        let products = tile.products(kernels, sample, panel: 0, scaling)
        let expected = tile.products(KernelTable.reference.panels, sample, panel: 0, scaling)
        let bound = roundingBound(sample, values, rows: 1)
        for index in products.indices {
            #expect(products[index].isFinite)
            #expect(abs(products[index] - expected[index]) <= bound[index])
        }
    }

    @Test(
        arguments: vectorisedTables,
        [BlockFormat.q4_0, .q8_0, .q3_K, .q4_K, .q5_K, .q6_K, .iq1_s, .iq2_xxs])
    func unpackedPanelsHaveTheSameProducts(table: String, format: BlockFormat) throws {
        var kernels = try testedTable(table).panels
        kernels.unpackingDelaysProducts = true
        // Tiles of three rows multiply by formats of blocks of 32 without expansion.
        if format.blockLength == 32 && kernels.rowsPerTile < 6 { return }
        for superblocks in [1, 3] {
            let width = PanelKind(format).superblockLength * superblocks
            let sample = try PackedSample(format, outputs: 32, inputs: width)
            for scaling in ActivationScaling.allCases {
                let expansion = try #require(
                    kernels.expansion(sample.kind, scaling, tiles: 100))
                let count = superblocks * expansion.superblockBytes / 8
                var expanded = [UInt64](repeating: .max, count: count + 1)
                expanded.withUnsafeMutableBytes { target in
                    sample.withPanel(0) {
                        expansion.expand($0, superblocks, target.baseAddress.unsafelyUnwrapped)
                    }
                }
                #expect(expanded[count] == .max)
                for rows in 1...kernels.rowsPerTile {
                    let values = activations(rows: rows, width: width, seed: UInt64(rows))
                    let tile = SampleTile(kernels, values, width: width, scaling)
                    var products = [Float](repeating: .nan, count: rows * 32)
                    tile.words.withUnsafeBytes { words in
                        expanded.withUnsafeBytes {
                            expansion.product(
                                rows, $0.baseAddress.unsafelyUnwrapped, 1, superblocks,
                                words.baseAddress.unsafelyUnwrapped, &products, 32)
                        }
                    }
                    #expect(
                        products == tile.products(kernels, sample, panel: 0, scaling),
                        "\(rows) rows, \(scaling)")
                }
            }
        }
    }

    @Test(arguments: vectorisedTables, quantisedFormats)
    func panelsTogetherGiveWhatEachGivesAlone(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).panels
        let (count, width) = (3, 3 * format.blockLength)
        let sample = try PackedSample(format, outputs: 32 * count, inputs: width, seed: 5)
        for scaling in ActivationScaling.allCases {
            for rows in 1...kernels.rowsPerTile {
                let tile = SampleTile(
                    kernels, activations(rows: rows, width: width, seed: 6), width: width, scaling)
                var together = [Float](repeating: .nan, count: rows * 32 * count)
                tile.words.withUnsafeBytes { words in
                    sample.withPanel(0) {
                        kernels.product(sample.kind, scaling)(
                            rows, $0, count, sample.kind.superblocks(width),
                            words.baseAddress.unsafelyUnwrapped, &together, 32 * count)
                    }
                }
                for panel in 0..<count {
                    let alone = tile.products(kernels, sample, panel: panel, scaling)
                    for row in 0..<rows {
                        let first = row * 32 * count + 32 * panel
                        #expect(
                            Array(together[first..<(first + 32)])
                                == Array(alone[(32 * row)..<(32 * row + 32)]),
                            "panel \(panel), row \(row) of \(rows), \(scaling)")
                    }
                }
            }
        }
    }

    @Test(arguments: vectorisedTables, quantisedFormats)
    func aRowDoesNotDependOnItsNeighbours(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).panels
        let width = 3 * format.blockLength
        let sample = try PackedSample(format, outputs: 32, inputs: width)
        let values = activations(rows: kernels.rowsPerTile, width: width, seed: 5)
        for scaling in ActivationScaling.allCases {
            for rows in 1...kernels.rowsPerTile {
                let together = SampleTile(
                    kernels, Array(values.prefix(rows * width)), width: width, scaling
                ).products(kernels, sample, panel: 0, scaling)
                for row in 0..<rows {
                    let alone = SampleTile(
                        kernels, Array(values[(row * width)..<((row + 1) * width)]), width: width,
                        scaling
                    ).products(kernels, sample, panel: 0, scaling)
                    #expect(Array(together[(32 * row)..<(32 * row + 32)]) == alone)
                }
            }
        }
    }

    @Test(arguments: testedTables.map(\.name), quantisedFormats)
    func aRowThatIsNotFiniteYieldsNaNAndOthersDoNot(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).panels
        let width = format.blockLength
        let sample = try PackedSample(format, outputs: 32, inputs: width)
        for bad in [Float.nan, .infinity, -.infinity] {
            var values = activations(rows: 3, width: width, seed: 3)
            values[width + 7] = bad
            for scaling in ActivationScaling.allCases {
                let products = SampleTile(kernels, values, width: width, scaling)
                    .products(kernels, sample, panel: 0, scaling)
                #expect(products[0..<32].allSatisfy { $0.isFinite })
                #expect(products[32..<64].allSatisfy { $0.isNaN })
                #expect(products[64..<96].allSatisfy { $0.isFinite })
            }
        }
    }

    @Test(arguments: testedTables.map(\.name), quantisedFormats)
    func extremeMagnitudesAndBlocksStayExact(table: String, format: BlockFormat) throws {
        let kernels = try testedTable(table).panels
        let width = 2 * max(64, format.blockLength)
        let sample = try PackedSample(format, outputs: 32, inputs: width, seed: 9) { blocks in
            // Every third block is zero in all its bits, and so is its scale.
            for block in stride(from: 0, to: blocks.count / format.blockBytes, by: 3) {
                for byte in 0..<format.blockBytes { blocks[block * format.blockBytes + byte] = 0 }
            }
        }
        for scaling in ActivationScaling.allCases {
            for magnitude: Float in [0, 0x1p-149, 0x1p-120, 1e-20, 1e20] {
                // Blocks from the row's largest down to a 2^-60th of it.
                let values = (0..<width).map { index in
                    magnitude * Float(sign: .plus, exponent: -(index / 32 * 20), significand: 1)
                }
                expectTheReferenceProducts(kernels, sample, values, scaling)
            }
        }
    }

    /// Subtracting a power of two from the exponent of a scale that replaces zero stays finite.
    @Test(arguments: vectorisedTables, zeroIntegerScales)
    func productsWithIntegerScalesOfZeroAreExact(
        table: String, zero: (format: BlockFormat, bytes: [(range: Range<Int>, byte: UInt8)])
    ) throws {
        let kernels = try testedTable(table).panels
        let width = 2 * zero.format.blockLength
        let sample = try PackedSample(
            zero.format, outputs: 32, inputs: width, everySecondBlockWith: zero.bytes)
        let values = (0..<width).map {
            Float(sign: .plus, exponent: -($0 / 32 % 4 * 20), significand: 1)
        }
        for scaling in ActivationScaling.allCases {
            expectTheReferenceProducts(kernels, sample, values, scaling)
        }
    }

    /// Sums of 16 bits must hold the products of a whole block.
    @Test(
        arguments: vectorisedTables,
        [
            (BlockFormat.q4_0, 2..<18), (.q4_1, 4..<20), (.q5_0, 2..<22), (.q5_1, 4..<24),
            (.q2_K, 0..<80), (.q3_K, 0..<108), (.q4_K, 4..<144), (.q5_K, 4..<176),
            (.q6_K, 0..<208), (.q1_0, 2..<18), (.q2_0, 2..<18), (.tq2_0, 0..<64),
            (.iq1_s, 2..<50), (.iq2_s, 2..<82), (.iq3_xxs, 2..<98), (.iq3_s, 2..<110),
            (.nvfp4, 4..<36),
        ])
    func theLargestProductsOfABlockFit(
        table: String, largest: (format: BlockFormat, bytes: Range<Int>)
    ) throws {
        let kernels = try testedTable(table).panels
        let format = largest.format
        let width = 2 * format.blockLength
        let sample = try PackedSample(format, outputs: 32, inputs: width) { blocks in
            for block in stride(from: 0, to: blocks.count, by: format.blockBytes) {
                for byte in largest.bytes { blocks[block + byte] = 0xFF }
            }
        }
        for scaling in ActivationScaling.allCases {
            for value: Float in [1, -1] {
                let values = [Float](repeating: value, count: width)
                expectTheReferenceProducts(kernels, sample, values, scaling)
            }
        }
    }
}
