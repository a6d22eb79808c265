// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// The two ways in which `TokenMerging` changes kept tokens.
struct Merge {
    let tokens: Activations  // [candidates, width]
    let kept: [Int]  // ascending indices of candidates
    /// The kept tokens at first, and what becomes of them.
    let result: Activations  // [kept, width]
    let ops: TensorOps

    /// How many others a token gains, as in PruMerge's published code.
    private static let neighbourCount = 32

    /// Averages each dropped token into the kept one that it resembles most.
    ///
    /// - Parameters:
    ///   - targets: the places in `kept` of those that may gain, ascending; nil for all.
    ///   - leastLikeness: the least cosine for that.
    ///   - weight: what a dropped token of some cosine counts, where a kept one counts 1.
    /// - Throws: `PruningError.notFinite`, `PruningError.noMemory`.
    func average(
        into targets: [Int]? = nil, leastLikeness: Float = -.infinity,
        weight: (_ likeness: Float) -> Float = { _ in 1 }
    ) throws(PruningError) {
        let targets = targets ?? Array(kept.indices)
        guard !targets.isEmpty else { return }
        let cosines = try cosines(of: nil, with: targets.map { kept[$0] })
        let isKept = Set(kept)
        var weights = [Float](repeating: 1, count: kept.count)
        for token in 0..<tokens.rows where !isKept.contains(token) {
            let likeness = cosines.numbers(ofRow: token)
            let nearest = likeness.indexOfLargest(tolerance: cosineTolerance)
            guard likeness[nearest] >= leastLikeness else { continue }
            let (target, weight) = (targets[nearest], weight(likeness[nearest]))
            add(token, times: weight, to: result.row(target))
            weights[target] += weight
        }
        for (row, weight) in weights.enumerated() where weight > 1 {
            for column in 0..<tokens.width { result.row(row)[column] /= weight }
        }
    }

    /// Adds to each kept token the others that it resembles most, each times its share of all attention.
    ///
    /// - Parameter attention: how much each candidate gets, finite, `[candidates]`.
    /// - Throws: `PruningError.notFinite`, `PruningError.noMemory`.
    func addNeighbours(attention: [Float]) throws(PruningError) {
        let cosines = try cosines(of: kept, with: nil)
        // In double precision, because the sum of large numbers could overflow.
        let total = attention.reduce(0) { $0 + Double($1) }
        guard total > 0 else { return }
        ops.forEachRow(of: result) { row, index in
            var likeness = cosines.numbers(ofRow: index)
            likeness[kept[index]] = -.infinity
            for _ in 0..<min(Self.neighbourCount, tokens.rows - 1) {
                let nearest = likeness.indexOfLargest(tolerance: cosineTolerance)
                likeness[nearest] = -.infinity
                add(nearest, times: Float(Double(attention[nearest]) / total), to: row)
            }
        }
    }

    private func add(_ token: Int, times factor: Float, to row: UnsafeMutablePointer<Float>) {
        let numbers = tokens.row(token)
        for column in 0..<tokens.width { row[column] += factor * numbers[column] }
    }

    /// Cosines between candidates; nil for all of them.
    private func cosines(of rows: [Int]?, with others: [Int]?) throws(PruningError) -> Activations {
        let place = "visual token embeddings"
        let rows = try ops.unitRows(of: tokens, rows, input: place)
        let others = try ops.unitRows(of: tokens, others, input: place)
        return try granted { () throws(MemoryShortage) in try ops.products(of: rows, with: others) }
    }
}

extension Activations {
    fileprivate func numbers(ofRow index: Int) -> [Float] {
        [Float](UnsafeBufferPointer(start: row(index), count: width))
    }
}
