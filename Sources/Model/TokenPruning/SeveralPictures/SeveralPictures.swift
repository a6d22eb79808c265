// SPDX-License-Identifier: Apache-2.0
import TensorOps

/// Selects visual tokens of several pictures together: our reading of TrimTokenator-LC
/// (arXiv 2512.22748).
///
/// A picture of more different tokens gets a larger budget, filled by `repMax`; then all pictures'
/// tokens compete, diverse and aligned with the question, for the budget of all. The paper leaves open
/// how pictures are compared, how budgets follow and how the last stage ranks; these are our choices:
///
/// - A picture's diversity is the mean cosine distance between two of its tokens. The variation is
///   that between two pictures' mean directions, and 1 for a single picture.
/// - The first stage keeps `keep · (1 + overselection · (1 − variation))` tokens, so that pictures that
///   resemble each other have something to drop in the second. Budgets are proportional to diversity,
///   but no picture gets less than `guaranteedShare` of an equal one, or than one token.
/// - The second stage takes Pareto fronts of the mean cosine distance to all tokens of the first and of
///   the alignment with the question: `paretoSelection`.
public struct SeveralPictures: Sendable, Equatable {
    /// How far the first stage goes beyond the budget where all pictures look alike; 0 for not at all.
    public let overselection: Double
    /// The part of an equal share of the budget that every picture gets in the first stage, 0 to 1.
    public let guaranteedShare: Double
    /// How alignment with the question is measured.
    public let metric: AlignmentMetric

    /// Measurements of the pictures, and the tokens kept of them.
    public struct Result: Sendable, Equatable {
        /// The mean cosine distance between two tokens of each picture.
        public let diversity: [Float]
        /// The mean cosine distance between two pictures.
        public let variation: Float
        /// How many tokens of each picture entered the second stage.
        public let budgets: [Int]
        /// The indices of the kept tokens of each picture, ascending.
        public let indices: [[Int]]
        /// Whether there was no text, so that the second stage used diversity alone.
        public let lacksQuestion: Bool
    }

    /// A token of the first stage.
    private struct Place {
        let picture: Int
        let token: Int
    }

    /// By default the numbers are our own choices.
    ///
    /// - Throws: `PruningError.invalidOption` for a number outside its range.
    public init(
        overselection: Double = 1, guaranteedShare: Double = 0.25,
        metric: AlignmentMetric = .cosine
    ) throws(PruningError) {
        guard overselection >= 0 && overselection.isFinite else {
            throw .invalidOption(
                name: "the over-selection", value: "\(overselection)", expected: "0 or more")
        }
        guard guaranteedShare >= 0 && guaranteedShare <= 1 else {
            throw .invalidOption(
                name: "the guaranteed share", value: "\(guaranteedShare)", expected: "0 to 1")
        }
        self.overselection = overselection
        self.guaranteedShare = guaranteedShare
        self.metric = metric
    }

    /// Keeps `keep` tokens of all pictures together, or all of them when there are no more.
    ///
    /// - Parameters:
    ///   - pictures: the candidates of each picture, `[candidates, width]`.
    ///   - text: the decoder's embeddings of the question, `[textTokens, width]`.
    /// - Throws: `PruningError.keepsNothing` for a `keep` below 1, `PruningError.shapeMismatch` when
    ///   widths differ, `PruningError.notFinite`, `PruningError.noMemory`.
    public func select(
        _ pictures: [Activations], text: Activations?, keep: Int, ops: TensorOps
    ) throws(PruningError) -> Result {
        guard keep > 0 else { throw .keepsNothing(keep: keep) }
        let question = text.flatMap { $0.rows > 0 ? $0 : nil }
        try checkWidths(pictures, question)
        var units: [Activations] = []
        for picture in pictures {
            units.append(try ops.unitRows(of: picture, input: "visual token embeddings"))
        }
        let sums = units.map { ops.sum(of: $0) }
        let diversity = zip(units, sums).map { meanDistance(within: $0, sum: $1, ops) }
        let variation = meanDistance(between: sums)
        let budgets = budgets(diversity, variation, candidates: pictures.map(\.rows), keep: keep)
        var pool: [Place] = []
        for (picture, rows) in units.enumerated() {
            let chosen = try repMax(rows, keep: budgets[picture], ops: ops).sorted()
            pool += chosen.map { Place(picture: picture, token: $0) }
        }
        if keep < pool.count {
            let distances = meanDistancesToAll(try gather(pool, of: units, ops), ops)
            let alignment =
                try question.map { question throws(PruningError) in
                    try metric.scores(of: gather(pool, of: pictures, ops), with: question, ops: ops)
                } ?? [Float](repeating: 0, count: pool.count)
            pool = paretoSelection(distances, alignment, keep: keep).map { pool[$0] }
        }
        return Result(
            diversity: diversity, variation: variation, budgets: budgets,
            indices: pictures.indices.map { picture in
                pool.filter { $0.picture == picture }.map(\.token)
            },
            lacksQuestion: question == nil)
    }

    private func checkWidths(
        _ pictures: [Activations], _ question: Activations?
    ) throws(PruningError) {
        let width = pictures.first?.width ?? 0
        for picture in pictures where picture.width != width {
            throw .shapeMismatch(
                input: "width of the visual token embeddings", found: picture.width,
                expected: width)
        }
        if let question, !pictures.isEmpty, question.width != width {
            throw .shapeMismatch(
                input: "width of the text embeddings", found: question.width, expected: width)
        }
    }

    /// How many tokens of each picture enter the second stage.
    private func budgets(
        _ diversity: [Float], _ variation: Float, candidates: [Int], keep: Int
    ) -> [Int] {
        let equalShare = Double(keep) / Double(max(1, candidates.count))
        let fewest = candidates.map { min($0, max(1, Int(guaranteedShare * equalShare))) }
        let all = candidates.reduce(0, +)
        let wanted = Double(keep) * (1 + overselection * max(0, 1 - Double(variation)))
        let total = max(Int(min(wanted, Double(all))), fewest.reduce(0, +))
        return apportion(
            total, weights: diversity.map { Double($0) },
            limits: zip(fewest, candidates).map { $0...$1 })
    }

    private func gather(
        _ places: [Place], of pictures: [Activations], _ ops: TensorOps
    ) throws(PruningError) -> Activations {
        let result = try granted { () throws(MemoryShortage) in
            try ops.grantedActivations(rows: places.count, width: pictures.first?.width ?? 0)
        }
        for (row, place) in places.enumerated() {
            result.row(row).update(
                from: pictures[place.picture].row(place.token), count: result.width)
        }
        return result
    }
}

/// The mean of `1 − cosine` over all pairs of rows of length 1 or 0, from their sum; 0 below two rows.
private func meanDistance(within rows: Activations, sum: [Float], _ ops: TensorOps) -> Float {
    guard rows.rows > 1 else { return 0 }
    let own = ops.squaredLengths(of: rows).reduce(0, +)
    let pairs = Float(rows.rows) * Float(rows.rows - 1)
    return 1 - (innerProduct(sum, sum, sum.count) - own) / pairs
}

/// The mean of `1 − cosine` over all pairs of vectors; 1 below two.
private func meanDistance(between vectors: [[Float]]) -> Float {
    func length(_ vector: [Float]) -> Float {
        innerProduct(vector, vector, vector.count).squareRoot()
    }
    let pairs = vectors.indices.flatMap { first in
        vectors.indices.dropFirst(first + 1).map { (vectors[first], vectors[$0]) }
    }
    guard !pairs.isEmpty else { return 1 }
    let cosines = pairs.map { first, second in
        let lengths = length(first) * length(second)
        return lengths > 0 ? innerProduct(first, second, first.count) / lengths : 0
    }
    return 1 - cosines.reduce(0, +) / Float(pairs.count)
}

/// The mean of `1 − cosine` between each row and all rows, which have length 1 or 0.
private func meanDistancesToAll(_ rows: Activations, _ ops: TensorOps) -> [Float] {
    ops.products(of: rows, with: ops.mean(of: rows)).map { 1 - $0 }
}
