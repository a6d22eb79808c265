// SPDX-License-Identifier: Apache-2.0

extension TensorOps {
    /// How much one query row attends to each key row, summed over the heads.
    ///
    /// - Returns: `[keys.rows]`; the sum of all is the number of heads.
    public func attentionWeights(
        ofRow row: Int, _ queries: Activations, keys: Activations, _ shape: AttentionShape
    ) -> [Float] {
        precondition(queries.width == shape.queryWidth && keys.width == shape.keyValueWidth)
        let query = queries.row(row)
        let scale = 1 / Float(shape.headWidth).squareRoot()
        let group = shape.heads / shape.keyValueHeads
        var totals = [Float](repeating: 0, count: keys.rows)
        var scores = totals
        for head in 0..<shape.heads {
            let (first, source) = (head * shape.headWidth, head / group * shape.headWidth)
            for token in 0..<keys.rows {
                let key = keys.row(token) + source
                scores[token] =
                    scale * (0..<shape.headWidth).reduce(0) { $0 + query[first + $1] * key[$1] }
            }
            scores.withUnsafeMutableBufferPointer { buffer in
                if let base = buffer.baseAddress { kernels.softmax(base, buffer.count) }
            }
            for token in 0..<keys.rows { totals[token] += scores[token] }
        }
        return totals
    }
}
