// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

extension UnsafeRawPointer {
    @inline(__always) func word(_ index: Int) -> UnsafeRawPointer { self + 4 &* index }
    @inline(__always) func broadcastInt(_ index: Int) -> IntVector {
        IntVector(repeating: loadUnaligned(fromByteOffset: 4 &* index, as: Int32.self))
    }
    @inline(__always) func broadcastFloat(_ index: Int) -> FloatVector {
        FloatVector(repeating: loadUnaligned(fromByteOffset: 4 &* index, as: Float.self))
    }
}

/// The products of `rows` activation rows with `pairs` pairs of vectors of columns, over all inputs.
///
/// Every sum runs over the inputs in order, so it does not depend on the rows and columns beside it.
struct QuantisedTile<Format: PanelFormat, Scaling: BlockScaling, let rows: Int, let pairs: Int> {
    /// Numbers for each row, and for each of two vectors of columns.
    typealias Sums = InlineArray<rows, FloatVector>
    typealias Products = InlineArray<rows, IntVector>

    @inline(__always) static var columns: Int { pairs &* 2 &* lane_count }
    /// With few rows a product is bound by reading weights, with more by multiplying.
    @inline(__always) private static var isStreamed: Bool { rows <= 2 }

    /// - Parameters:
    ///   - panel: 32 columns of weights.
    ///   - column: the first column of the tile.
    ///   - activations: a tile of `rows` rows.
    ///   - out: `[rows, pairs · 2 · lanes]`, rows `outStride` numbers apart.
    @inline(__always)
    static func multiply(
        _ panel: UnsafeRawPointer, column: Int, superblocks: Int, _ activations: UnsafeRawPointer,
        _ out: UnsafeMutablePointer<Float>, outStride: Int
    ) {
        let zeros = Sums(repeating: FloatVector(repeating: 0))
        var left = InlineArray<pairs, Sums>(repeating: zeros)
        var right = left
        var part = activations.word(ActivationTile.header)
        let partBytes = 4 &* ActivationTile.part(rows) &* Format.parts
        var minima = part + superblocks &* partBytes
        var panel = panel
        for _ in 0..<superblocks {
            addSuperblock(panel, column, asksAhead: true, part, minima, &left[0], &right[0])
            if pairs == 2 {
                addSuperblock(
                    panel, column &+ 2 &* lane_count, asksAhead: false, part, minima, &left[1],
                    &right[1])
            }
            part += partBytes
            minima += 4 &* ActivationTile.sums(rows)
            panel += Format.superblockBytes
        }
        for row in 0..<rows {
            let scale = activations.broadcastFloat(row)
            for pair in 0..<pairs {
                let target =
                    UnsafeMutableRawPointer(out + row &* outStride) + 8 &* lane_count &* pair
                target.storeBytes(of: left[pair][row] * scale, as: FloatVector.self)
                target.storeBytes(
                    of: right[pair][row] * scale, toByteOffset: 4 &* lane_count,
                    as: FloatVector.self)
            }
        }
    }

    /// Adds the products with one superblock of two vectors of columns.
    ///
    /// - Parameter asksAhead: whether to prefetch lines of a later superblock.
    @inline(__always)
    private static func addSuperblock(
        _ panel: UnsafeRawPointer, _ column: Int, asksAhead: Bool,
        _ activations: UnsafeRawPointer, _ minima: UnsafeRawPointer, _ left: inout Sums,
        _ right: inout Sums
    ) {
        let first = Column(panel: panel, lane: column, isStreamed: isStreamed)
        let second = Column(panel: panel, lane: column &+ lane_count, isStreamed: isStreamed)
        for line in 0..<Format.headerLines {
            first.touch(line)
            second.touch(line)
        }
        let (firstScales, secondScales) = (Format.scales(first), Format.scales(second))
        var part = activations
        for index in 0..<Format.parts {
            for block in 0..<Format.blocksPerPart {
                if asksAhead { prefetch(panel, block: index &* Format.blocksPerPart &+ block) }
                let (leftProducts, rightProducts) = products(first, second, index, block, part)
                let scale = index &* Format.blocksPerPart &+ block
                let block32 = block &* Format.blockLength / 32
                add(leftProducts, firstScales, scale, part, block32, to: &left)
                add(rightProducts, secondScales, scale, part, block32, to: &right)
            }
            part += 4 &* ActivationTile.part(rows)
        }
        guard Format.minima == .perSuperblockOf32 || Format.minima == .perSuperblockOf16 else {
            return
        }
        subtractMinima(firstScales, minima, from: &left)
        subtractMinima(secondScales, minima, from: &right)
    }

    /// Prefetches as many lines as a block of the superblock takes.
    @inline(__always)
    private static func prefetch(_ panel: UnsafeRawPointer, block: Int) {
        let distance = Format.prefetchDistance(rows: rows)
        guard distance > 0 else { return }
        let blockBytes = Format.superblockBytes / (Format.blocksPerPart &* Format.parts)
        for line in 0..<((blockBytes &+ 63) / 64) {
            prefetch_line(panel + (distance &+ block &* blockBytes &+ 64 &* line))
        }
    }

    /// The integer products of one block of a part.
    @inline(__always)
    private static func products(
        _ first: Column, _ second: Column, _ part: Int, _ block: Int,
        _ activations: UnsafeRawPointer
    ) -> (Products, Products) {
        var left = Products(repeating: IntVector(repeating: 0))
        for row in 0..<rows {
            left[row] = Format.start(negativeSum(activations, block, row: row))
        }
        var right = left
        for index in 0..<(Format.blockLength / 8) {
            addPair(index, first, second, part, block, activations, &left, &right)
        }
        for row in 0..<rows {
            let sum = negativeSum(activations, block, row: row)
            left[row] = Format.finish(left[row], sum)
            right[row] = Format.finish(right[row], sum)
        }
        return (left, right)
    }

    /// Adds the products of two quads.
    @inline(__always)
    private static func addPair(
        _ index: Int, _ first: Column, _ second: Column, _ part: Int, _ block: Int,
        _ activations: UnsafeRawPointer, _ left: inout Products, _ right: inout Products
    ) {
        let leftWeights = Format.weights(first, part: part, block: block, index: index)
        let rightWeights = Format.weights(second, part: part, block: block, index: index)
        let pair = block &* (Format.blockLength / 8) &+ index
        // Block sums follow the last quad of a tile, so reading whole vectors stays inside it.
        let even = activations.word(ActivationTile.quad(2 &* pair, rows))
        let odd = even.word(rows)
        if Format.addsPairs {
            for row in 0..<rows {
                let evenQuad = word_of_row(even, row)
                let oddQuad = word_of_row(odd, row)
                left[row] = Format.dot(left[row], leftWeights, evenQuad, oddQuad)
                right[row] = Format.dot(right[row], rightWeights, evenQuad, oddQuad)
            }
        } else {
            for row in 0..<rows {
                let quad = word_of_row(even, row)
                left[row] = Format.dot(left[row], leftWeights.even, quad)
                right[row] = Format.dot(right[row], rightWeights.even, quad)
            }
            for row in 0..<rows {
                let quad = word_of_row(odd, row)
                left[row] = Format.dot(left[row], leftWeights.odd, quad)
                right[row] = Format.dot(right[row], rightWeights.odd, quad)
            }
        }
    }

    /// Minus the sum of one block's activations.
    @inline(__always)
    private static func negativeSum(
        _ activations: UnsafeRawPointer, _ block: Int, row: Int
    ) -> IntVector {
        let first =
            Format.blockLength == 16
            ? ActivationTile.negativeHalfSum(block, rows)
            : ActivationTile.negativeSum(block, rows)
        return activations.broadcastInt(first &+ row)
    }

    /// Adds a block's integer products, scaled, to the sums.
    ///
    /// - Parameters:
    ///   - block: counted within the superblock.
    ///   - block32: the block of 32 activations, counted within the part.
    @inline(__always)
    private static func add(
        _ products: Products, _ scales: Format.Scales, _ block: Int,
        _ activations: UnsafeRawPointer, _ block32: Int, to sums: inout Sums
    ) {
        let scale = Format.scale(scales, block)
        for row in 0..<rows {
            var combined = Scaling.combined(
                scale, activations.word(ActivationTile.scale(block32, rows) &+ row))
            if Format.mayScaleByZero { combined = zeroWhereTiny(scale, combined) }
            sums[row] = multiply_add(sums[row], float_from_int(products[row]), combined)
        }
        guard Format.minima == .perBlock else { return }
        let minimum = Format.minimum(scales, block)
        for row in 0..<rows {
            let sum = activations.broadcastFloat(ActivationTile.blockSum(block32, rows) &+ row)
            sums[row] = multiply_add(sums[row], sum, minimum)
        }
    }

    /// `combined` where `scale` can lose the largest exponent (23), zero elsewhere.
    @inline(__always)
    private static func zeroWhereTiny(
        _ scale: FloatVector, _ combined: FloatVector
    ) -> FloatVector {
        let magnitude = unsafeBitCast(scale, to: IntVector.self) & IntVector(repeating: 0x7FFF_FFFF)
        let isTiny = magnitude .< IntVector(repeating: 24 << 23)
        return combined.replacing(with: FloatVector(repeating: 0), where: isTiny)
    }

    /// Subtracts the minima of a superblock, times the sums of their activations, from the sums.
    @inline(__always)
    private static func subtractMinima(
        _ scales: Format.Scales, _ blockSums: UnsafeRawPointer, from sums: inout Sums
    ) {
        let isOf32 = Format.minima == .perSuperblockOf32
        var products = Products(repeating: IntVector(repeating: 0))
        for pair in 0..<(isOf32 ? 4 : 8) {
            let minima = Format.minimumPair(scales, pair)
            let place =
                isOf32
                ? ActivationTile.sumPair(pair, rows) : ActivationTile.halfSumPair(pair, rows)
            for row in 0..<rows {
                let sum = blockSums.broadcastInt(place &+ row)
                products[row] = dot_pairs(products[row], minima, sum)
            }
        }
        let scale =
            Format.minimumScale(scales)
            * FloatVector(repeating: -1 / ActivationTile.sumsPerUnit)
        for row in 0..<rows {
            sums[row] = multiply_add(sums[row], float_from_int(products[row]), scale)
        }
    }
}
