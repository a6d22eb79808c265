// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import KernelInterface
import TestSupport
import Testing

@testable import WeightPanels

let quantisedFormats = BlockFormat.allCases.filter { $0.blockLength > 1 }

/// Bytes of blocks that make all their integer scales zero.
let zeroIntegerScales: [(format: BlockFormat, bytes: [(range: Range<Int>, byte: UInt8)])] = [
    (.q2_K, [(0..<16, 0)]),
    // Six bits of 32: low nibbles, then upper pairs.
    (.q3_K, [(96..<104, 0), (104..<108, 0xAA)]),
    (.q4_K, [(4..<16, 0)]), (.q5_K, [(4..<16, 0)]), (.q6_K, [(192..<208, 0)]),
]

/// Panels of random weights, and the blocks that they were made of.
struct PackedSample {
    let format: BlockFormat
    let outputs: Int
    let inputs: Int
    let blocks: [UInt8]
    let kind: PanelKind
    let panels: [UInt64]
    let firstBadRow: Int?

    init(
        _ format: BlockFormat, outputs: Int, inputs: Int, seed: UInt64 = 1,
        changing change: (inout [UInt8]) -> Void = { _ in }
    ) throws {
        var random = SeededGenerator(seed: seed)
        var blocks = format.randomBlocks(count: outputs * inputs, deviation: 0.05, using: &random)
        change(&blocks)
        let packer = PanelPacker(format, inputs: inputs)
        let count = (outputs + 31) / 32
        // Not zero, so that memory which the packer leaves unwritten shows.
        var panels = [UInt64](repeating: .max, count: (count * packer.panelBytes + 64) / 8)
        let rowBytes = format.byteCount(of: inputs)
        var bad: Int?
        panels.withUnsafeMutableBytes { target in
            for panel in 0..<count {
                let rows = min(32, outputs - 32 * panel)
                let row = blocks.withUnsafeBytes { source in
                    packer.pack(
                        source.baseAddress.unsafelyUnwrapped + 32 * panel * rowBytes, count: rows,
                        into: target.baseAddress.unsafelyUnwrapped + panel * packer.panelBytes)
                }
                if let row, bad == nil { bad = 32 * panel + row }
            }
        }
        self.format = format
        self.outputs = outputs
        self.inputs = inputs
        self.blocks = blocks
        kind = packer.kind
        self.panels = panels
        firstBadRow = bad
    }

    /// A sample that has the given bytes in every second block.
    init(
        _ format: BlockFormat, outputs: Int, inputs: Int,
        everySecondBlockWith bytes: [(range: Range<Int>, byte: UInt8)]
    ) throws {
        try self.init(format, outputs: outputs, inputs: inputs) { blocks in
            for block in stride(from: 0, to: blocks.count, by: 2 * format.blockBytes) {
                for (range, byte) in bytes {
                    for place in range { blocks[block + place] = byte }
                }
            }
        }
    }

    func withPanel<Result>(_ index: Int, _ body: (UnsafeRawPointer) -> Result) -> Result {
        panels.withUnsafeBytes {
            body($0.baseAddress.unsafelyUnwrapped + index * kind.panelBytes(inputs))
        }
    }

    /// The row's weights, read from its panel.
    func row(_ output: Int) -> [Float] {
        var values: [Float] = []
        var superblock = [Float](repeating: 0, count: kind.superblockLength)
        for index in 0..<kind.superblocks(inputs) {
            withPanel(output / 32) {
                PanelReader(kind).decode(
                    $0, superblock: index, column: output % 32, into: &superblock)
            }
            values += superblock
        }
        return Array(values.prefix(inputs))
    }
}

@Suite struct PanelPackerTests {
    @Test(arguments: BlockFormat.allCases, [1, 15, 16, 17, 31, 32, 33, 65])
    func packingChangesNoNumber(format: BlockFormat, outputs: Int) throws {
        for blocks in format.blockLength == 1 ? [1, 2, 31, 67] : [1, 2, 3, 5] {
            let sample = try PackedSample(
                format, outputs: outputs, inputs: blocks * format.blockLength,
                seed: UInt64(outputs))
            #expect(sample.firstBadRow == nil)
            let expected = format.decoded(sample.blocks)
            for output in 0..<outputs {
                #expect(
                    sample.row(output)
                        == Array(
                            expected[(output * sample.inputs)..<((output + 1) * sample.inputs)]))
            }
        }
    }

    @Test(arguments: BlockFormat.allCases, [1, 5, 32])
    func writesItsPanelAndNothingElse(format: BlockFormat, outputs: Int) throws {
        let sample = try PackedSample(format, outputs: outputs, inputs: 3 * format.blockLength)
        // The buffer ends with 64 bytes that belong to no panel.
        #expect(sample.panels.suffix(8).allSatisfy { $0 == .max })
        // Columns without outputs have finite scales, too.
        for column in outputs..<32 { #expect(sample.row(column).allSatisfy { $0.isFinite }) }
    }

    /// One zero integer scale beside others, of groups that share bytes.
    @Test(arguments: [BlockFormat.q4_K, .q5_K], 0..<4)
    func aZeroScaleLeavesOtherGroupsAsTheyAre(format: BlockFormat, group: Int) throws {
        let sample = try PackedSample(format, outputs: 32, inputs: 512) { blocks in
            for block in stride(from: 0, to: blocks.count, by: format.blockBytes) {
                // Scales of the first four groups are the low six bits of bytes 4 to 7.
                blocks[block + 4 + group] &= 0xC0
            }
        }
        let expected = format.decoded(sample.blocks)
        for output in 0..<32 {
            #expect(sample.row(output) == Array(expected[(output * 512)..<(output * 512 + 512)]))
        }
    }

    @Test(arguments: quantisedFormats.filter { $0 != .mxfp4 })
    func zeroScalesMakeZeroWeights(format: BlockFormat) throws {
        let sample = try PackedSample(format, outputs: 3, inputs: 4 * format.blockLength) {
            blocks in
            // All bytes of some blocks, and the scales at either end of the others.
            for block in 0..<(blocks.count / format.blockBytes) where block % 2 == 0 {
                for byte in 0..<format.blockBytes { blocks[block * format.blockBytes + byte] = 0 }
            }
        }
        let expected = format.decoded(sample.blocks)
        for output in 0..<3 {
            #expect(
                sample.row(output)
                    == Array(expected[(output * sample.inputs)..<((output + 1) * sample.inputs)]))
        }
    }

    @Test(arguments: zeroIntegerScales)
    func integerScalesOfZeroMakeZeroWeights(
        zero: (format: BlockFormat, bytes: [(range: Range<Int>, byte: UInt8)])
    ) throws {
        let length = zero.format.blockLength
        let sample = try PackedSample(
            zero.format, outputs: 3, inputs: 2 * length, everySecondBlockWith: zero.bytes)
        for output in 0..<3 {
            let row = sample.row(output)
            #expect(row.prefix(length).allSatisfy { $0 == 0 })
            #expect(row.suffix(length).contains { $0 != 0 })
        }
    }

    @Test(arguments: quantisedFormats.filter { $0 != .mxfp4 && $0 != .nvfp4 })
    func aScaleThatIsNotFiniteIsFound(format: BlockFormat) throws {
        let inputs = 2 * format.blockLength
        for bits: UInt16 in [0x7C00, 0xFE01] {
            let sample = try PackedSample(format, outputs: 40, inputs: inputs) { blocks in
                let place = 37 * format.byteCount(of: inputs) + format.blockBytes
                format.setHalfScales(of: &blocks, at: place, to: bits)
            }
            #expect(sample.firstBadRow == 37)
        }
    }

    /// NVFP4 reads 0x7F, the NaN of its scales, as zero, and passes over their top bit.
    @Test func everyScaleOfNVFP4IsPacked() throws {
        let sample = try PackedSample(.nvfp4, outputs: 1, inputs: 64 * 64) { blocks in
            for scale in 0..<256 { blocks[scale / 4 * 36 + scale % 4] = UInt8(scale) }
        }
        #expect(sample.row(0) == BlockFormat.nvfp4.decoded(sample.blocks))
        #expect(sample.row(0)[(127 * 16)..<(128 * 16)].allSatisfy { $0 == 0 })
    }

    @Test(arguments: BlockFormat.allCases)
    func panelsTakeLittleMoreThanTheFile(format: BlockFormat) throws {
        let packer = PanelPacker(format, inputs: 4096)
        let growth = Double(packer.panelBytes) / Double(32 * format.byteCount(of: 4096))
        let allowed: Double =
            switch format {
            case .iq1_s: 1.56
            case .iq1_m: 1.4
            case .iq2_xxs: 1.61
            case .iq2_xs: 1.44
            case .iq2_s: 1.3
            case .iq3_xxs: 1.37
            case .iq3_s, .tq1_0: 1.23
            case .mxfp4: 1.06
            case .q3_K: 1.04
            default: 1.01
            }
        #expect(growth <= allowed)
    }
}
