// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

// How attention reads pages of the KV cache, in the layout of `HeadPages`.

extension HeadPages {
    @inline(__always) private static func slot(_ token: Int) -> Int { token % tokensPerPage }

    /// Widens the keys of a vector of tokens from `token` on to rows `stride` apart: `[width, lanes]`.
    @inline(__always)
    func storeColumns(
        _ target: UnsafeMutablePointer<Float>, _ stride: Int, token: Int, width: Int
    ) {
        let (page, slot) = (UnsafeRawPointer(page(token)), Self.slot(token))
        switch number {
        case .half: storeColumns(target, stride, page, slot, width, HalfNumber.self)
        case .float: storeColumns(target, stride, page, slot, width, FloatNumber.self)
        case .byte:
            for block in 0..<(width / PageNumber.numbersPerScale) {
                let start = page + block &* PageNumber.blockByteCount
                let scales = HalfNumber.vector(start, slot)
                let bytes = start + PageNumber.bytesOffset + slot
                for column in 0..<PageNumber.numbersPerScale {
                    let numbers = ints_from_bytes(bytes + column &* Self.tokensPerPage)
                    let row = target + (block &* PageNumber.numbersPerScale &+ column) &* stride
                    (float_from_int(numbers) * scales).store(row, lane_count)
                }
            }
        }
    }

    @inline(__always)
    private func storeColumns<Number: MatrixNumber>(
        _ target: UnsafeMutablePointer<Float>, _ stride: Int, _ page: UnsafeRawPointer, _ slot: Int,
        _ width: Int, _ type: Number.Type
    ) {
        for column in 0..<width {
            Number.vector(page, column &* Self.tokensPerPage &+ slot)
                .store(target + column &* stride, lane_count)
        }
    }

    /// Widens a vector of columns of the first tokens' values to rows `stride` apart.
    @inline(__always)
    func storeRows(
        _ target: UnsafeMutablePointer<Float>, _ stride: Int, tokens: Int, column: Int, lanes: Int,
        width: Int
    ) {
        for token in 0..<tokens {
            let (page, slot) = (UnsafeRawPointer(page(token)), Self.slot(token))
            let numbers: FloatVector
            switch number {
            case .half:
                let start = page.assumingMemoryBound(to: UInt16.self)
                numbers = floats_from_halves(.load(start + (slot &* width &+ column), lanes))
            case .float:
                let start = page.assumingMemoryBound(to: Float.self)
                numbers = .load(start + (slot &* width &+ column), lanes)
            case .byte:
                let (block, place) = (
                    column / PageNumber.numbersPerScale, column % PageNumber.numbersPerScale
                )
                let start = page + block &* PageNumber.blockByteCount
                let scale = float_from_half(
                    start.assumingMemoryBound(to: UInt16.self)[slot])
                let bytes =
                    start + PageNumber.bytesOffset + slot &* PageNumber.numbersPerScale + place
                numbers = float_from_int(ints_from_bytes(bytes)) * .all(scale)
            }
            numbers.store(target + token &* stride, lane_count)
        }
    }
}

/// Scores of a few queries with half-precision keys that are read in place.
struct PagedScores {
    let queries: UnsafePointer<Float>  // [rows, width]
    let width: Int
    let keys: HeadPages
    /// The first of the tokens.
    let token: Int
    let out: UnsafeMutablePointer<Float>  // [rows, vectors · lanes]
    let outStride: Int

    /// A register tile of `rows` queries and `vectors` vectors of tokens.
    @inline(__always)
    private func multiply<let rows: Int, let vectors: Int>(
        _ sums: InlineArray<rows, InlineArray<vectors, FloatVector>>
    ) {
        var sums = sums
        var starts = InlineArray<vectors, UnsafeRawPointer>(
            repeating: UnsafeRawPointer(keys.page(token)))
        for vector in 0..<vectors {
            let first = token &+ vector &* lane_count
            starts[vector] =
                UnsafeRawPointer(keys.page(first)) + 2 &* (first % HeadPages.tokensPerPage)
        }
        for column in 0..<width {
            var numbers = InlineArray<vectors, FloatVector>(repeating: .all(0))
            for vector in 0..<vectors {
                numbers[vector] = HalfNumber.vector(
                    starts[vector], column &* HeadPages.tokensPerPage)
            }
            for row in 0..<rows {
                let factor = FloatVector.all(queries[row &* width &+ column])
                for vector in 0..<vectors {
                    sums[row][vector] = multiply_add(sums[row][vector], factor, numbers[vector])
                }
            }
        }
        for row in 0..<rows {
            for vector in 0..<vectors {
                sums[row][vector].store(
                    out + row &* outStride + vector &* lane_count, lane_count)
            }
        }
    }

    @inline(__always)
    private func multiply<let vectors: Int>(
        rows: Int, _ row: InlineArray<vectors, FloatVector>
    ) {
        switch rows {
        case 1: multiply(InlineArray<1, _>(repeating: row))
        case 2: multiply(InlineArray<2, _>(repeating: row))
        case 3: multiply(InlineArray<3, _>(repeating: row))
        #if SIX_ROW_TILES
            case 4: multiply(InlineArray<4, _>(repeating: row))
            case 5: multiply(InlineArray<5, _>(repeating: row))
            case 6: multiply(InlineArray<6, _>(repeating: row))
        #endif
        default: preconditionFailure("more rows than a tile has")
        }
    }

    /// The scores of `FloatTile.vectors` vectors of tokens, or of one.
    @inline(never)
    func compute(rows: Int, isWide: Bool) {
        if isWide {
            #if SIX_ROW_TILES
                multiply(rows: rows, InlineArray<4, _>(repeating: .all(0)))
            #else
                multiply(rows: rows, InlineArray<3, _>(repeating: .all(0)))
            #endif
        } else {
            multiply(rows: rows, InlineArray<1, _>(repeating: .all(0)))
        }
    }
}
