// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import WeightPanels

extension PanelKernels {
    /// Plain loops on the same tiles and panels, summed in double precision.
    static let reference = PanelKernels(
        rowsPerTile: 6,
        quantisers: ActivationScaling.allCases.map { scaling -> Quantise in
            { source, stride, rows, width, tile in
                for row in 0..<rows {
                    ReferenceTile(bytes: tile, rows: rows)
                        .quantise(source + row * stride, row: row, width: width, scaling)
                }
            }
        },
        products: ActivationScaling.allCases.flatMap { scaling in
            PanelKind.quantised.map { kind -> Product in
                { rows, panels, count, superblocks, tile, out, outStride in
                    let tile = ReferenceTile(
                        bytes: UnsafeMutableRawPointer(mutating: tile), rows: rows)
                    for index in 0..<count {
                        tile.multiply(
                            panels + index * superblocks * kind.superblockBytes, kind, superblocks,
                            scaling, out + index * PanelKind.columns, outStride)
                    }
                }
            }
        })
}

/// A tile of quantised activations in the layout of `ActivationTile`.
private struct ReferenceTile {
    let bytes: UnsafeMutableRawPointer
    let rows: Int

    func quantise(
        _ values: UnsafePointer<Float>, row: Int, width: Int, _ scaling: ActivationScaling
    ) {
        let superblocks = (width + 255) / 256
        let largest = (0..<width).reduce(Float(0)) { max($0, abs(values[$1])) }
        let isFinite = (0..<width).allSatisfy { values[$0].isFinite }
        let blocks = (0..<(8 * superblocks)).map { block in
            (0..<32).map { 32 * block + $0 < width ? values[32 * block + $0] : 0 }
        }
        var rowLargest = isFinite && largest >= 0x1p-100 ? largest : 0
        if scaling == .powerOfTwo, rowLargest > 0, rowLargest < 0x1p127 {
            rowLargest = reach(rowLargest, blocks)
        }
        bytes.storeBytes(
            of: isFinite ? rowLargest / 127 : .nan, toByteOffset: 4 * row, as: Float.self)
        for (block, numbers) in blocks.enumerated() {
            quantise(numbers, block: block, row, rowLargest, scaling, superblocks)
        }
    }

    /// The magnitude that becomes 127: the row's largest times 1, 2^¼, 2^½ or 2^¾.
    ///
    /// The one with the least sum of squares of the blocks' scales is chosen; these are the
    /// magnitude over powers of two.
    private func reach(_ rowLargest: Float, _ blocks: [[Float]]) -> Float {
        let candidates = [1, 1.189207115, 1.414213562, 1.681792831].map { (factor: Float) in
            let squares = blocks.reduce(Float(0)) { sum, block in
                let unit = Float(
                    sign: .plus, exponent: -2 * exponent(block, below: rowLargest * factor),
                    significand: 1)
                return sum + unit
            }
            return (reach: rowLargest * factor, variance: squares * (factor * factor))
        }
        return candidates.dropFirst().reduce(candidates[0]) {
            $1.variance < $0.variance ? $1 : $0
        }.reach
    }

    /// How often the block's largest magnitude may be doubled without exceeding `reach`; at most 23.
    private func exponent(_ block: [Float], below reach: Float) -> Int {
        let largest = block.reduce(0) { max($0, abs($1)) }
        return (1...23).prefix {
            largest * Float(sign: .plus, exponent: $0, significand: 1) <= reach
        }.count
    }

    private func quantise(
        _ numbers: [Float], block: Int, _ row: Int, _ rowLargest: Float,
        _ scaling: ActivationScaling, _ superblocks: Int
    ) {
        let largest = rowLargest == 0 ? 0 : numbers.reduce(0) { max($0, abs($1)) }
        var (factor, unit, scale) = (Float(0), Float(0), Float(0))
        switch scaling {
        case .powerOfTwo where rowLargest > 0:
            let exponent = exponent(numbers, below: rowLargest)
            let power = Float(sign: .plus, exponent: exponent, significand: 1)
            (factor, unit, scale) = (127 / rowLargest * power, 1 / power, 0x1.8p23 / power)
        case .powerOfTwo:
            scale = 0x1.8p23
        case .perBlock where largest >= 0x1p-100:
            unit = largest / rowLargest
            (factor, scale) = (127 / largest, unit)
        default: break
        }
        let quantised = numbers.map {
            factor == 0 ? 0 : Int(($0 * factor).rounded(.toNearestOrEven))
        }
        let low = quantised[..<16].reduce(0, +)
        let sum = quantised.reduce(0, +)
        let (part, inPart) = (block / 2, block % 2)
        let zero = Int(scaling.zero(scale))
        store(scale, part, ActivationTile.scale(inPart, rows), row)
        store(Int32(zero - 8 * sum), part, ActivationTile.startLess8(inPart, rows), row)
        store(Int32(zero - 128 * sum), part, ActivationTile.startLess128(inPart, rows), row)
        for (half, sum) in [low, sum - low].enumerated() {
            store(
                Int32(zero - 32 * sum), part,
                ActivationTile.halfStartLess32(2 * inPart + half, rows), row)
        }
        store(Float(sum) * unit, part, ActivationTile.blockSum(inPart, rows), row)
        for quad in 0..<8 {
            for byte in 0..<4 {
                bytes.storeBytes(
                    of: Int8(quantised[4 * quad + byte]),
                    toByteOffset: offset(part, ActivationTile.quad(8 * inPart + quad, rows), row)
                        + byte, as: Int8.self)
            }
        }
        func eighths(_ sum: Int) -> Int16 {
            Int16((Float(sum) * unit * ActivationTile.sumsPerUnit).rounded(.toNearestOrEven))
        }
        let pair = sumOffset(
            block / 8, superblocks, ActivationTile.sumPair(block % 8 / 2, rows), row)
        bytes.storeBytes(of: eighths(sum), toByteOffset: pair + block % 2 * 2, as: Int16.self)
        let halves = sumOffset(
            block / 8, superblocks, ActivationTile.halfSumPair(block % 8, rows), row)
        for (half, value) in [low, sum - low].enumerated() {
            bytes.storeBytes(of: eighths(value), toByteOffset: halves + 2 * half, as: Int16.self)
        }
    }

    func multiply(
        _ panel: UnsafeRawPointer, _ kind: PanelKind, _ superblocks: Int,
        _ scaling: ActivationScaling, _ out: UnsafeMutablePointer<Float>, _ outStride: Int
    ) {
        var sums = [Double](repeating: 0, count: rows * PanelKind.columns)
        for superblock in 0..<superblocks {
            for column in 0..<PanelKind.columns {
                let weights = ReferenceWeights(kind, panel, superblock, column)
                for row in 0..<rows {
                    let start = superblock * kind.superblockLength
                    sums[row * PanelKind.columns + column] +=
                        weights.values.indices.reduce(0.0) {
                            $0 + weights.values[$1] * activation(start + $1, row, scaling)
                        }
                        - weights.minima.indices.reduce(0.0) {
                            $0 + weights.minima[$1]
                                * sum(superblock, of: superblocks, $1, row, kind)
                        }
                }
            }
        }
        for row in 0..<rows {
            let scale = bytes.load(fromByteOffset: 4 * row, as: Float.self)
            for column in 0..<PanelKind.columns {
                out[row * outStride + column] =
                    Float(sums[row * PanelKind.columns + column]) * scale
            }
        }
    }

    /// A group's sum of activations, as it is stored for minima.
    private func sum(
        _ superblock: Int, of superblocks: Int, _ group: Int, _ row: Int, _ kind: PanelKind
    ) -> Double {
        guard kind.superblockLength == 256 else {
            let place = offset(superblock, ActivationTile.blockSum(group, rows), row)
            return Double(bytes.load(fromByteOffset: place, as: Float.self))
        }
        let pair =
            kind.layout.blockLength == 16
            ? ActivationTile.halfSumPair(group / 2, rows) : ActivationTile.sumPair(group / 2, rows)
        let place = sumOffset(superblock, superblocks, pair, row) + group % 2 * 2
        return Double(bytes.load(fromByteOffset: place, as: Int16.self))
            / Double(ActivationTile.sumsPerUnit)
    }

    /// A number of the tile in units of its row's scale.
    private func activation(_ index: Int, _ row: Int, _ scaling: ActivationScaling) -> Double {
        let (part, block) = (index / 64, index / 32 % 2)
        let quad = offset(part, ActivationTile.quad(index % 64 / 4, rows), row)
        let byte = bytes.load(fromByteOffset: quad + index % 4, as: Int8.self)
        let scale = bytes.load(
            fromByteOffset: offset(part, ActivationTile.scale(block, rows), row), as: Float.self)
        switch scaling {
        case .perBlock: return Double(byte) * Double(scale)
        case .powerOfTwo: return Double(byte) * Double(scale) / 0x1.8p23
        }
    }

    /// Where a row's word is, given its place in the part.
    private func offset(_ part: Int, _ place: Int, _ row: Int) -> Int {
        4 * (ActivationTile.header + part * ActivationTile.part(rows) + place + row)
    }

    /// Where a row's word is, given its place in the block sums of a superblock.
    private func sumOffset(
        _ superblock: Int, _ superblocks: Int, _ place: Int, _ row: Int
    ) -> Int {
        offset(4 * superblocks, superblock * ActivationTile.sums(rows) + place, row)
    }

    private func store<Word: BitwiseCopyable>(
        _ value: Word, _ part: Int, _ place: Int, _ row: Int
    ) {
        bytes.storeBytes(of: value, toByteOffset: offset(part, place, row), as: Word.self)
    }
}

/// One column's weights in a superblock, and the minima that were left out of them.
private struct ReferenceWeights {
    var values: [Double]
    var minima: [Double] = []

    init(_ kind: PanelKind, _ panel: UnsafeRawPointer, _ superblock: Int, _ column: Int) {
        let reader = PanelReader(kind)
        var decoded = [Float](repeating: 0, count: kind.superblockLength)
        reader.decode(panel, superblock: superblock, column: column, into: &decoded)
        values = decoded.map(Double.init)
        guard kind.layout.hasMinima else { return }
        for group in 0..<(values.count / reader.groupLength) {
            let minimum = Double(
                reader.minimum(panel, superblock: superblock, column: column, group: group))
            minima.append(minimum)
            for index in 0..<reader.groupLength {
                values[group * reader.groupLength + index] += minimum
            }
        }
    }
}
