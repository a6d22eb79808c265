// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps

/// How the numbers of a matrix are stored.
protocol MatrixNumber: SendableMetatype {
    /// Rows of the matrix that share a line of words.
    static var rowsPerLine: Int { get }
    /// Numbers from word `index` on, of one of the rows that share them.
    static func vector(_ matrix: UnsafeRawPointer, _ index: Int, row: Int) -> FloatVector
}

extension MatrixNumber {
    @inline(__always) static var rowsPerLine: Int { 1 }
    /// Numbers of a line's first row.
    @inline(__always)
    static func vector(_ matrix: UnsafeRawPointer, _ index: Int) -> FloatVector {
        vector(matrix, index, row: 0)
    }
}

/// Single precision.
enum FloatNumber: MatrixNumber {
    @inline(__always)
    static func vector(_ matrix: UnsafeRawPointer, _ index: Int, row: Int) -> FloatVector {
        matrix.loadUnaligned(fromByteOffset: 4 &* index, as: FloatVector.self)
    }
}

/// IEEE half precision.
enum HalfNumber: MatrixNumber {
    @inline(__always)
    static func vector(_ matrix: UnsafeRawPointer, _ index: Int, row: Int) -> FloatVector {
        floats_from_halves(matrix.loadUnaligned(fromByteOffset: 2 &* index, as: HalfVector.self))
    }
}

/// Pairs of bf16 numbers, the upper halves of floats: two rows, in the low and the high halves of words.
enum BrainFloatPair: MatrixNumber {
    @inline(__always) static var rowsPerLine: Int { 2 }
    @inline(__always)
    static func vector(_ matrix: UnsafeRawPointer, _ index: Int, row: Int) -> FloatVector {
        let words = matrix.loadUnaligned(fromByteOffset: 4 &* index, as: WordVector.self)
        let bits =
            row == 0
            ? words &<< WordVector(repeating: 16) : words & WordVector(repeating: 0xFFFF_0000)
        return unsafeBitCast(bits, to: FloatVector.self)
    }
}

/// The most rows of a register tile: six where there are 32 registers, three where there are 16.
///
/// In a quantised product each row needs two integer sums and two float ones on two vectors of columns:
/// six rows take 24 registers, three rows 12, and the rest holds weights, scales and masks.
enum RegisterTile {
    #if SIX_ROW_TILES
        @inline(__always) static var rows: Int { 6 }
    #else
        @inline(__always) static var rows: Int { 3 }
    #endif
}

/// The shape of the largest register tile of floats.
///
/// With 32 registers, 24 hold sums, four columns, and one a factor; with 16, nine, three and one.
enum FloatTile {
    @inline(__always) static var rows: Int { RegisterTile.rows }
    #if SIX_ROW_TILES
        @inline(__always) static var vectors: Int { 4 }
    #else
        @inline(__always) static var vectors: Int { 3 }
    #endif
}

/// A product of some rows of floats with a matrix: `out = left · right`.
///
/// Every sum runs over `depth` in order, so it does not depend on neighbouring rows and columns.
struct FloatProduct {
    let left: UnsafePointer<Float>  // [rows, depth]
    let leftStride: Int
    let right: UnsafeRawPointer  // [depth, columns]
    let rightStride: Int
    let depth: Int
    let out: UnsafeMutablePointer<Float>  // [rows, columns]
    let outStride: Int
    /// Whether sums continue from the numbers in `out`.
    let continues: Bool

    /// A register tile of `rows` rows and `vectors` vectors of columns.
    @inline(__always)
    func multiply<Number: MatrixNumber, let rows: Int, let vectors: Int>(
        _ number: Number.Type, _ sums: InlineArray<rows, InlineArray<vectors, FloatVector>>
    ) {
        var sums = sums
        if continues {
            for row in 0..<rows {
                for vector in 0..<vectors {
                    sums[row][vector] = FloatVector.load(
                        out + row &* outStride + vector &* lane_count, lane_count)
                }
            }
        }
        var (left, right) = (left, 0)
        for _ in 0..<(depth / Number.rowsPerLine) {
            for row in 0..<Number.rowsPerLine {
                add(number, left, right, row: row, to: &sums)
                left += 1
            }
            right &+= rightStride
        }
        for row in 0..<(depth % Number.rowsPerLine) {
            add(number, left, right, row: row, to: &sums)
            left += 1
        }
        for row in 0..<rows {
            for vector in 0..<vectors {
                sums[row][vector].store(
                    out + row &* outStride + vector &* lane_count, lane_count)
            }
        }
    }

    /// Adds the products of one column of `left` with one row of a line of `right`.
    @inline(__always)
    private func add<Number: MatrixNumber, let rows: Int, let vectors: Int>(
        _ number: Number.Type, _ left: UnsafePointer<Float>, _ right: Int, row: Int,
        to sums: inout InlineArray<rows, InlineArray<vectors, FloatVector>>
    ) {
        var columns = InlineArray<vectors, FloatVector>(repeating: .all(0))
        for vector in 0..<vectors {
            columns[vector] = Number.vector(self.right, right &+ vector &* lane_count, row: row)
        }
        for row in 0..<rows {
            let factor = FloatVector.all(left[row &* leftStride])
            for vector in 0..<vectors {
                sums[row][vector] = multiply_add(sums[row][vector], factor, columns[vector])
            }
        }
    }

    /// The product of 1 to `FloatTile.rows` rows.
    @inline(__always)
    func multiply<Number: MatrixNumber, let vectors: Int>(
        rows: Int, _ number: Number.Type, _ row: InlineArray<vectors, FloatVector>
    ) {
        switch rows {
        case 1: multiply(number, InlineArray<1, _>(repeating: row))
        case 2: multiply(number, InlineArray<2, _>(repeating: row))
        case 3: multiply(number, InlineArray<3, _>(repeating: row))
        #if SIX_ROW_TILES
            case 4: multiply(number, InlineArray<4, _>(repeating: row))
            case 5: multiply(number, InlineArray<5, _>(repeating: row))
            case 6: multiply(number, InlineArray<6, _>(repeating: row))
        #endif
        default: preconditionFailure("more rows than a tile has")
        }
    }

    /// The product with a matrix of `FloatTile.vectors` vectors of columns, or of one.
    @inline(__always)
    func multiply<Number: MatrixNumber>(rows: Int, isWide: Bool, _ number: Number.Type) {
        if isWide {
            #if SIX_ROW_TILES
                multiply(rows: rows, number, InlineArray<4, _>(repeating: .all(0)))
            #else
                multiply(rows: rows, number, InlineArray<3, _>(repeating: .all(0)))
            #endif
        } else {
            multiply(rows: rows, number, InlineArray<1, _>(repeating: .all(0)))
        }
    }
}

/// The product with single-precision numbers.
@inline(never)
func multiplyFloats(_ product: FloatProduct, rows: Int, isWide: Bool) {
    product.multiply(rows: rows, isWide: isWide, FloatNumber.self)
}

/// The product with half-precision numbers.
@inline(never)
func multiplyHalves(_ product: FloatProduct, rows: Int, isWide: Bool) {
    product.multiply(rows: rows, isWide: isWide, HalfNumber.self)
}
