// SPDX-License-Identifier: Apache-2.0
import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// MMTok (arXiv 2508.18264): keeps the tokens that cover both the question and the picture.
public struct MMTok: TokenSelector {
    /// Facts about it that need no run.
    public let info = SelectorInfo(
        "mmtok", "covering the question and the picture (MMTok)", needs: [.features, .text])

    /// Temperatures of the two distributions, and the weight of the second, as published.
    private static let (textTemperature, visualTemperature): (Float, Float) = (0.02, 0.2)
    private static let visualWeight: Float = 0.5

    /// A selector without options.
    public init() {}

    /// A token covers a text token, or a patch, by its share in the softmax of that one over all
    /// tokens.
    public func choose(
        from input: SelectionInput, keep: Int, ops: TensorOps
    ) throws(PruningError) -> [Int] {
        let features = try info.require(input.features, .features)
        let textTokens = input.question?.rows ?? 0
        let coverage = try granted { () throws(MemoryShortage) in
            try ops.grantedActivations(rows: input.count, width: textTokens + input.count)
        }
        if let question = input.question {
            let place = "visual token embeddings"
            let words = try ops.unitRows(of: question, input: "text embeddings")
            let tokens = try ops.unitRows(of: input.embeddings, input: place)
            let products = try granted { () throws(MemoryShortage) in
                try ops.products(of: words, with: tokens)
            }
            coverText(coverage, products, ops)
        }
        let units = try ops.unitRows(of: features, input: "vision features")
        ops.gram(units, into: coverage, column: textTokens)
        coverPicture(coverage, from: textTokens, ops)
        let weights = [Float](repeating: 1, count: input.count)
        return coveringTokens(coverage, keep: keep, weights: weights, ops: ops)
    }

    /// The columns of the text tokens: `softmax(T̂ V̂ᵀ / 0.02) / M`, transposed.
    private func coverText(_ coverage: Activations, _ cosines: Activations, _ ops: TensorOps) {
        for text in 0..<cosines.rows {
            let row = cosines.row(text)
            for token in 0..<cosines.width { row[token] /= Self.textTemperature }
            ops.kernels.softmax(row, cosines.width)
            for token in 0..<cosines.width {
                coverage.row(token)[text] = row[token] / Float(cosines.rows)
            }
        }
    }

    /// The columns of the patches, which hold the cosines `F̂ F̂ᵀ`: `0.5 · softmax(F̂ F̂ᵀ / 0.2) / N`, transposed.
    ///
    /// The matrix under the softmax is symmetric, so that its transpose only differs in which sum a
    /// number is divided by. Cosines end at 1, which takes the place of the row's maximum.
    private func coverPicture(_ coverage: Activations, from column: Int, _ ops: TensorOps) {
        let count = coverage.rows
        let sums = ops.map(0..<count) { patch in
            let row = coverage.row(patch) + column
            return (0..<count).reduce(Float(0)) { sum, other in
                row[other] = expf((row[other] - 1) / Self.visualTemperature)
                return sum + row[other]
            }
        }
        let scales = sums.map { Self.visualWeight / (Float(count) * $0) }
        ops.forEachRow(of: coverage) { row, _ in
            for patch in 0..<count { row[column + patch] *= scales[patch] }
        }
    }
}
