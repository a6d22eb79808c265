// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import Testing

@testable import TensorOps

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// `softmax(q · k / √headWidth)` of one row and head over some tokens, in double precision.
func weightsDefinition(
    _ queries: [Float], _ keys: [Float], _ shape: AttentionShape, row: Int, head: Int,
    tokens: Range<Int>
) -> [Double] {
    let source = head / (shape.heads / shape.keyValueHeads) * shape.headWidth
    let target = row * shape.queryWidth + head * shape.headWidth
    let scores = tokens.map { token in
        (0..<shape.headWidth).reduce(0.0) { sum, index in
            sum + Double(queries[target + index])
                * Double(keys[token * shape.keyValueWidth + source + index])
        } / Double(shape.headWidth).squareRoot()
    }
    let powers = scores.map { exp($0 - (scores.max() ?? 0)) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}

/// The definition, in double precision: a row sees the tokens from `hidden` up to `visible`.
func attentionDefinition(
    _ queries: [Float], _ keys: [Float], _ values: [Float], _ shape: AttentionShape,
    hidden: (Int) -> Int = { _ in 0 }, visible: (Int) -> Int
) -> [Double] {
    let rows = queries.count / shape.queryWidth
    var result = [Double](repeating: 0, count: queries.count)
    for row in 0..<rows {
        for head in 0..<shape.heads {
            let source = head / (shape.heads / shape.keyValueHeads) * shape.headWidth
            let target = row * shape.queryWidth + head * shape.headWidth
            let first = hidden(row)
            let weights = weightsDefinition(
                queries, keys, shape, row: row, head: head, tokens: first..<visible(row))
            for index in 0..<shape.headWidth {
                result[target + index] = weights.indices.reduce(0.0) { total, token in
                    total + weights[token]
                        * Double(values[(first + token) * shape.keyValueWidth + source + index])
                }
            }
        }
    }
    return result
}

/// Queries, keys and values of one layer, and the attention to them.
struct AttentionCase {
    let shape: AttentionShape
    let mask: AttentionMask
    let queries: [Float]
    let keys: [Float]
    let values: [Float]

    init(
        _ shape: AttentionShape, _ mask: AttentionMask = .causal, tokens: Int, deviation: Float = 1
    ) {
        (self.shape, self.mask) = (shape, mask)
        queries = gaussians(tokens * shape.queryWidth, seed: 11).map { $0 * deviation }
        keys = gaussians(tokens * shape.keyValueWidth, seed: 12)
        values = gaussians(tokens * shape.keyValueWidth, seed: 13)
    }

    var tokens: Int { keys.count / shape.keyValueWidth }

    /// Some rows of the queries, the keys or the values.
    func part(_ numbers: [Float], _ rows: Range<Int>, _ width: Int) -> Activations {
        Activations(
            Array(numbers[(rows.lowerBound * width)..<(rows.upperBound * width)]), width: width)
    }

    /// The attention of some rows to what was written so far, as one pass.
    func attended(rows: Range<Int>, _ pages: TestPages, _ ops: TensorOps) -> [Float] {
        pages.attended(
            part(queries, rows, shape.queryWidth), part(keys, rows, shape.keyValueWidth),
            part(values, rows, shape.keyValueWidth), after: rows.lowerBound, shape, mask,
            ops)
    }

    /// The same prompt in chunks.
    func attended(chunk: Int, _ format: CacheFormat, _ ops: TensorOps) -> [Float] {
        let pages = TestPages(format, shape, tokens: tokens)
        return stride(from: 0, to: tokens, by: chunk).flatMap {
            attended(rows: $0..<min($0 + chunk, tokens), pages, ops)
        }
    }
}

/// Numbers as a cache of the given format holds them, by its definition.
func rounded(_ numbers: [Float], _ format: CacheFormat) -> [Float] {
    func half(_ number: Float) -> Float {
        var (half, float): (UInt16, Float) = (0, 0)
        KernelTable.reference.halvesFromFloats([number], &half, 1)
        KernelTable.reference.floatsFromHalves([half], &float, 1)
        return float
    }
    switch format {
    case .f32: return numbers
    case .f16: return numbers.map(half)
    case .q8_0:
        return stride(from: 0, to: numbers.count, by: 32).flatMap { start -> [Float] in
            let block = numbers[start..<(start + 32)]
            let largest = block.map(\.magnitude).max() ?? 0
            guard largest >= 127 * 0x1p-24 else { return block.map { _ in 0 } }
            return block.map {
                ($0 * (127 / largest)).rounded(.toNearestOrEven) * half(largest / 127)
            }
        }
    }
}
