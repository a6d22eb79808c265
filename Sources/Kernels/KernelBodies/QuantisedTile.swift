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
    /// Whether all processors prefetch a panel's lines too late by themselves.
    ///
    /// Vectors of less than half a line read a superblock's lines in several passes, which no processor recognises
    /// as sequential. On two threads of Zen 3, a C loop with the loads and products of one row reads 17 GB/s
    /// without prefetching, and 20 to 21 GB/s when it prefetches 1152 to 3456 bytes ahead.
    ///
    /// Vectors of at least half a line read the lines in order. From memory and for many rows, such a loop reads 18
    /// GB/s with prefetching and 14 without on one thread of Zen 4; for one row it is 25 and 30. From its
    /// second-level cache, prefetching costs an Intel Xeon a fifth of the speed.
    @inline(__always) private static var isPrefetched: Bool {
        lane_count < 16 || Format.isInMemory && rows >= 4
    }
    /// Whether Intel's processors alone do so.
    ///
    /// For one row such a loop reads 11.5 GB/s on each of two threads of an Intel Xeon, 15 if it prefetches 2304 bytes
    /// ahead, and 15.7 if it prefetches 4608 bytes ahead to the second-level cache. Plain reading is at 16.3.
    @inline(__always) private static var isPrefetchedOnIntel: Bool {
        !isPrefetched && Format.isInMemory
    }

    /// - Parameters:
    ///   - panel: 32 columns of weights.
    ///   - column: the first column of the tile.
    ///   - activations: a tile of `rows` rows.
    ///   - isIntel: whether the processor is Intel's.
    ///   - out: `[rows, pairs · 2 · lanes]`, rows `outStride` numbers apart.
    @inline(__always)
    static func multiply(
        _ panel: UnsafeRawPointer, column: Int, superblocks: Int, _ activations: UnsafeRawPointer,
        isIntel: Bool, _ out: UnsafeMutablePointer<Float>, outStride: Int
    ) {
        let asksAhead = isPrefetched || isPrefetchedOnIntel && isIntel
        let zeros = Sums(repeating: FloatVector(repeating: 0))
        var left = InlineArray<pairs, Sums>(repeating: zeros)
        var right = left
        var part = activations.word(ActivationTile.header)
        let partBytes = 4 &* ActivationTile.part(rows) &* Format.parts
        var minima = part + superblocks &* partBytes
        var panel = panel
        for _ in 0..<superblocks {
            addSuperblock(panel, column, asksAhead: asksAhead, part, minima, &left[0], &right[0])
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
        let blockBytes = Format.superblockBytes / (Format.blocksPerPart &* Format.parts)
        let start = panel + block &* blockBytes
        for line in 0..<((blockBytes &+ 63) / 64) {
            if isPrefetchedOnIntel {
                prefetch_line_to_second_level(start + (4608 &+ 64 &* line))
            } else {
                prefetch_line(start + (2048 &+ 64 &* line))
            }
        }
    }

    /// The integer products of one block of a part.
    @inline(__always)
    private static func products(
        _ first: Column, _ second: Column, _ part: Int, _ block: Int,
        _ activations: UnsafeRawPointer
    ) -> (Products, Products) {
        var left = Products(repeating: IntVector(repeating: 0))
        for row in 0..<rows { left[row] = Format.start(start(activations, block, row: row)) }
        var right = left
        for index in 0..<(Format.blockLength / 8) {
            addPair(index, first, second, part, block, activations, &left, &right)
        }
        for row in 0..<rows {
            let start = start(activations, block, row: row)
            left[row] = Format.finish(left[row], start)
            right[row] = Format.finish(right[row], start)
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

    /// Where a block's sum of products starts.
    @inline(__always)
    private static func start(
        _ activations: UnsafeRawPointer, _ block: Int, row: Int
    ) -> IntVector {
        let isHalf = Format.blockLength == 16
        let block32 = isHalf ? block / 2 : block
        let zero = Scaling.zero(
            activations.word(ActivationTile.scale(block32, rows) &+ row))
        if Format.zeroPoint == 0 { return zero }
        if Format.zeroPoint == 8 && !isHalf {
            return activations.broadcastInt(ActivationTile.startLess8(block, rows) &+ row)
        }
        let (place, less) =
            isHalf
            ? (ActivationTile.halfStartLess32(block, rows), 32)
            : (ActivationTile.startLess128(block, rows), 128)
        let start = activations.broadcastInt(place &+ row)
        if Format.zeroPoint == less { return start }
        // Both are powers of two.
        let doublings = Format.zeroPoint.trailingZeroBitCount &- less.trailingZeroBitCount
        return zero &+ moved(start &- zero, doublings: doublings)
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
            sums[row] = Scaling.add(
                products[row], scale,
                activations.word(ActivationTile.scale(block32, rows) &+ row), to: sums[row])
        }
        guard Format.minima == .perBlock else { return }
        let minimum = Format.minimum(scales, block)
        for row in 0..<rows {
            let sum = activations.broadcastFloat(ActivationTile.blockSum(block32, rows) &+ row)
            sums[row] = multiply_add(sums[row], sum, minimum)
        }
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
