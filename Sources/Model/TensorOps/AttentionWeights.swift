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
        let weights = Activations(rows: shape.heads, width: keys.rows)
        forEachRow(of: weights) { scores, head in
            let source = head / shape.group * shape.headWidth
            for token in 0..<keys.rows {
                scores[token] =
                    scale
                    * innerProduct(
                        query + head * shape.headWidth, keys.row(token) + source, shape.headWidth)
            }
            kernels.softmax(scores, keys.rows)
        }
        var totals = [Float](repeating: 0, count: keys.rows)
        for head in 0..<shape.heads { kernels.add(&totals, weights.row(head), keys.rows) }
        return totals
    }
}
