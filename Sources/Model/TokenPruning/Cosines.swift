// SPDX-License-Identifier: Apache-2.0
import TensorOps

extension TensorOps {
    /// The rows divided by their lengths; rows of length 0 stay 0.
    ///
    /// - Parameter indices: which rows, in which order; nil for all.
    /// - Throws: `PruningError.notFinite` naming `input` when the square of a row's length overflows,
    ///   `PruningError.noMemory`.
    func unitRows(
        of rows: Activations, _ indices: [Int]? = nil, input: String
    ) throws(PruningError) -> Activations {
        let result = try granted { () throws(MemoryShortage) in
            try grantedActivations(rows: indices?.count ?? rows.rows, width: rows.width)
        }
        let squaredLengths = squaredLengths(of: rows)
        guard squaredLengths.allSatisfy(\.isFinite) else { throw .notFinite(input: input) }
        forEachRow(of: result) { row, index in
            let source = indices?[index] ?? index
            let length = squaredLengths[source].squareRoot()
            let scale = length > 0 ? 1 / length : 0
            let numbers = rows.row(source)
            for column in 0..<rows.width { row[column] = numbers[column] * scale }
        }
        return result
    }

    /// The differences of rows from their mean.
    ///
    /// A row that differs by less than a ten-thousandth of its length counts as the mean and
    /// becomes 0, because the rest of it is rounding.
    ///
    /// - Parameter indices: which rows, in which order; nil for all. The mean is theirs.
    /// - Throws: `PruningError.notFinite` naming `input` when the square of a row's length overflows,
    ///   `PruningError.noMemory`.
    func centredRows(
        of rows: Activations, _ indices: [Int]? = nil, input: String
    ) throws(PruningError) -> Activations {
        let centred = try granted { () throws(MemoryShortage) in
            try gather(indices ?? Array(0..<rows.rows), of: rows)
        }
        let lengths = squaredLengths(of: centred)
        guard lengths.allSatisfy(\.isFinite) else { throw .notFinite(input: input) }
        let mean = mean(of: centred)
        forEachRow(of: centred) { row, index in
            for column in mean.indices { row[column] -= mean[column] }
            let rest = innerProduct(row, row, rows.width)
            if rest < 1e-8 * lengths[index] { row.update(repeating: 0, count: rows.width) }
        }
        return centred
    }

    /// The directions in which rows differ from their mean, as rows of length 1 or 0; see `centredRows`.
    func centredUnitRows(
        of rows: Activations, _ indices: [Int]? = nil, input: String
    ) throws(PruningError) -> Activations {
        try unitRows(of: try centredRows(of: rows, indices, input: input), input: input)
    }

    /// The inner product of every row with itself.
    func squaredLengths(of rows: Activations) -> [Float] {
        map(0..<rows.rows) { innerProduct(rows.row($0), rows.row($0), rows.width) }
    }

    /// The sum of all rows.
    func sum(of rows: Activations) -> [Float] {
        var sum = [Float](repeating: 0, count: rows.width)
        for row in 0..<rows.rows { kernels.add(&sum, rows.row(row), rows.width) }
        return sum
    }

    /// The mean of all rows; there is at least one.
    func mean(of rows: Activations) -> [Float] {
        sum(of: rows).map { $0 / Float(rows.rows) }
    }
}

/// The cosines between tokens, given one token's row at a time.
final class Cosines {
    /// Multiplying n rows with each other takes as long as reading all of them n/12 times from the
    /// last-level cache, measured with 576 and 2304 rows of 4096.
    private static let rowsPerRead = 12

    private let rows: Activations  // [tokens, width], of length 1 or 0
    private let ops: TensorOps
    private let whole: Activations?  // [tokens, tokens]

    /// Prepares `reads` reads of the cosines of unit rows: all at once, or row by row if cheaper.
    ///
    /// - Throws: `PruningError.noMemory`.
    init(of rows: Activations, reads: Int, ops: TensorOps) throws(PruningError) {
        self.rows = rows
        self.ops = ops
        guard reads * Self.rowsPerRead > rows.rows else {
            whole = nil
            return
        }
        whole = try granted { () throws(MemoryShortage) in try ops.gram(rows) }
    }

    /// Calls `body` with the cosines between a token and every token, itself included.
    func withRow<Result>(_ index: Int, _ body: (UnsafePointer<Float>) -> Result) -> Result {
        if let whole { return body(whole.row(index)) }
        return body(ops.products(of: rows, with: rows.row(index)))
    }
}
