// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The definition, in double precision.
func attentionDefinition(
    _ queries: [Float], _ keys: [Float], _ values: [Float], _ shape: AttentionShape,
    visible: (Int) -> Int
) -> [Double] {
    let rows = queries.count / shape.queryWidth
    var result = [Double](repeating: 0, count: queries.count)
    for row in 0..<rows {
        for head in 0..<shape.heads {
            let source = head / (shape.heads / shape.keyValueHeads) * shape.headWidth
            let target = row * shape.queryWidth + head * shape.headWidth
            let scores = (0..<visible(row)).map { token in
                (0..<shape.headWidth).reduce(0.0) { sum, index in
                    sum + Double(queries[target + index])
                        * Double(keys[token * shape.keyValueWidth + source + index])
                } / Double(shape.headWidth).squareRoot()
            }
            let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
            let sum = weights.reduce(0, +)
            for index in 0..<shape.headWidth {
                result[target + index] = weights.indices.reduce(0.0) { total, token in
                    total + weights[token] / sum
                        * Double(values[token * shape.keyValueWidth + source + index])
                }
            }
        }
    }
    return result
}

/// Queries, keys and values of one layer, and the attention to them.
struct AttentionCase {
    let shape: AttentionShape
    let queries: [Float]
    let keys: [Float]
    let values: [Float]

    init(_ shape: AttentionShape, tokens: Int, deviation: Float = 1) {
        self.shape = shape
        queries = gaussians(tokens * shape.queryWidth, seed: 11).map { $0 * deviation }
        keys = gaussians(tokens * shape.keyValueWidth, seed: 12)
        values = gaussians(tokens * shape.keyValueWidth, seed: 13)
    }

    var tokens: Int { keys.count / shape.keyValueWidth }

    /// Causal attention of some rows to a cache that was written so far, as one pass.
    func attended(
        rows: Range<Int>, _ cache: (keys: CachedRows, values: CachedRows), _ ops: TensorOps
    ) -> [Float] {
        func part(_ numbers: [Float], _ width: Int) -> Activations {
            Activations(
                Array(numbers[(rows.lowerBound * width)..<(rows.upperBound * width)]), width: width)
        }
        cache.keys.write(part(keys, shape.keyValueWidth), at: rows.lowerBound, ops.kernels)
        cache.values.write(part(values, shape.keyValueWidth), at: rows.lowerBound, ops.kernels)
        return ops.attention(
            part(queries, shape.queryWidth), keys: .cached(cache.keys),
            values: .cached(cache.values), tokens: rows.upperBound, shape,
            mask: .causal(firstRow: rows.lowerBound)
        ).array
    }

    func cache(_ format: CacheFormat) throws -> (keys: CachedRows, values: CachedRows) {
        func rows() throws -> CachedRows {
            try #require(
                CachedRows(format: format, capacity: tokens, width: shape.keyValueWidth))
        }
        return (try rows(), try rows())
    }

    /// The same prompt in chunks.
    func attended(chunk: Int, _ format: CacheFormat, _ ops: TensorOps) throws -> [Float] {
        let cache = try cache(format)
        return stride(from: 0, to: tokens, by: chunk).flatMap {
            attended(rows: $0..<min($0 + chunk, tokens), cache, ops)
        }
    }
}
