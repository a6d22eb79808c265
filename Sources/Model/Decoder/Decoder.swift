// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The text decoder: a stack of pre-norm transformer layers with a KV cache.
public final class Decoder: Sendable {
    /// Its shape.
    public let config: DecoderConfig
    /// Tokens that have an embedding row.
    public var vocabularySize: Int { weights.tokenEmbedding.outputs }

    private let weights: DecoderWeights
    /// What it computes with.
    package let ops: TensorOps

    /// Takes the decoder's tensors from a file.
    ///
    /// - Parameter context: most rows of a sequence, which decides between some files' rotary factors.
    package convenience init(
        _ config: DecoderConfig, _ loader: TensorLoader, context: Int, _ ops: TensorOps
    ) throws(ModelError) {
        self.init(config, try loader.decoderWeights(config, context: context, ops), ops)
    }

    init(_ config: DecoderConfig, _ weights: DecoderWeights, _ ops: TensorOps) {
        self.config = config
        self.weights = weights
        self.ops = ops
    }

    /// The embedding rows of some tokens, each below `vocabularySize`.
    public func embed(_ tokens: [Int32]) -> Activations {
        let rows = ops.activations(rows: tokens.count, width: config.width)
        for (row, token) in tokens.enumerated() { embed(token, into: rows.row(row)) }
        return rows
    }

    /// The embedding row of a token below `vocabularySize`.
    public func embed(_ token: Int32, into row: UnsafeMutablePointer<Float>) {
        weights.tokenEmbedding.decode(rows: Int(token)..<(Int(token) + 1), into: row)
    }

    func roomForAngles() -> [RotaryEmbedding.Angles] {
        weights.rotaries.map(RotaryEmbedding.Angles.init)
    }

    /// Runs a batch's rows through all layers and appends their keys and values to their sequences.
    ///
    /// The result of a sequence depends, bit for bit, only on itself. A sequence with non-finite
    /// numbers gets an error and stays as it was.
    ///
    /// - Parameter onProgress: called with the part that is done, 0 to 1.
    /// - Throws: `ModelError.notFinite` when no sequence is left, `ModelError.cancelled`; all sequences
    ///   then stay as they were.
    public func run(
        _ batch: DecoderBatch, cancellation: Cancellation, onProgress: (Double) -> Void = { _ in }
    ) throws(ModelError) {
        precondition(batch.hidden.rows == batch.positions.count)
        let (hidden, space) = (batch.hidden, batch.workspace)
        space.resize(rows: hidden.rows)
        for (rotary, angles) in zip(weights.rotaries, space.angles) {
            rotary.compute(angles, at: batch.positions)
        }
        for (index, layer) in weights.layers.enumerated() {
            try cancellation.check()
            ops.rmsNorm(
                hidden, weight: layer.attentionNorm, epsilon: layer.config.epsilon,
                into: space.normed)
            attention(layer, index, batch)
            if index == weights.layers.count - 1, let wanted = batch.wanted {
                finish(layer, hidden, wanted, space)
            } else {
                finish(layer, hidden, space)
            }
            if index < config.addendLayers { batch.addAddends(after: index, ops) }
            if !hidden.isFinite { try batch.dropSpoilt(place: "decoder layer \(index)") }
            onProgress(Double(index + 1) / Double(weights.layers.count))
        }
        for part in batch.parts where part.error == nil { part.cache.commit(rows: part.rows.count) }
    }

    /// The logits of the next token after some of the batch's rows, which have passed all layers.
    public func logits(_ batch: DecoderBatch, rows: [Int]) -> Logits {
        let space = batch.workspace
        space.last.resize(rows: rows.count)
        space.normed.resize(rows: rows.count)
        space.logits.resize(rows: rows.count)
        for (place, row) in rows.enumerated() {
            space.last.row(place).update(from: batch.hidden.row(row), count: config.width)
        }
        ops.rmsNorm(
            space.last, weight: weights.outputNorm, epsilon: config.epsilon, into: space.normed)
        ops.linear(weights.output, space.normed, into: space.logits)
        return Logits(numbers: space.logits)
    }

    private func attention(_ layer: DecoderLayer, _ index: Int, _ batch: DecoderBatch) {
        guard let layout = batch.parts.first?.cache.pool.layout else { return }
        let (space, shape) = (batch.workspace, layer.config.attention)
        ops.linear(layer.queryKeyValue, space.normed, into: space.queryKeyValue)
        rotate(space.queryKeyValue[0], after: layer.queryNorm, layer, space)
        rotate(space.queryKeyValue[1], after: layer.keyNorm, layer, space)
        ops.store(
            keys: space.queryKeyValue[1], values: space.queryKeyValue[2], of: batch.sequences,
            layer: index, layout)
        ops.attention(
            space.queryKeyValue[0], to: batch.sequences, layer: index, layout, shape,
            layer.config.mask, into: space.attended)
    }

    private func rotate(
        _ heads: Activations, after norm: HeadNorm?, _ layer: DecoderLayer,
        _ space: DecoderWorkspace
    ) {
        ops.rotate(
            heads, headWidth: layer.config.attention.headWidth,
            weights.rotaries[layer.rotary].pairing, space.angles[layer.rotary], after: norm)
    }

    /// Adds to the rows what the layer computes from the result of its attention.
    private func finish(_ layer: DecoderLayer, _ rows: Activations, _ space: DecoderWorkspace) {
        ops.addLinear(layer.attentionOutput, space.attended, to: rows)
        ops.rmsNorm(
            rows, weight: layer.feedForwardNorm, epsilon: layer.config.epsilon,
            into: space.normed)
        ops.linear(layer.gateAndUp, space.normed, into: space.gateAndUp)
        ops.multiplySiLU(space.gateAndUp[0], by: space.gateAndUp[1])
        ops.addLinear(layer.down, space.gateAndUp[0], to: rows)
    }

    /// The same for some of the rows alone.
    private func finish(
        _ layer: DecoderLayer, _ rows: Activations, _ wanted: [Int], _ space: DecoderWorkspace
    ) {
        guard !wanted.isEmpty else { return }
        space.keep(wanted, of: rows)
        finish(layer, space.last, space)
        space.putBack(wanted, to: rows)
    }
}

/// Logits of the next token, in the batch's own memory: valid until its next use.
public struct Logits {
    let numbers: Activations  // [rows, vocabulary]

    /// The logits after one of the requested rows.
    ///
    /// - Throws: `ModelError.notFinite`.
    public func row(_ index: Int) throws(ModelError) -> UnsafeBufferPointer<Float> {
        guard numbers.isFinite(rows: index..<(index + 1)) else {
            throw .notFinite(place: "the output layer")
        }
        return UnsafeBufferPointer(start: numbers.row(index), count: numbers.width)
    }
}

extension DecoderBatch {
    /// Gives an error to the sequences with non-finite numbers, and sets their rows to zero.
    ///
    /// - Throws: `ModelError.notFinite` when none is left.
    fileprivate func dropSpoilt(place: String) throws(ModelError) {
        for index in parts.indices {
            let rows = parts[index].rows
            guard !hidden.isFinite(rows: rows) else { continue }
            parts[index].error = parts[index].error ?? .notFinite(place: place)
            hidden.row(rows.lowerBound).update(repeating: 0, count: rows.count * hidden.width)
        }
        guard parts.contains(where: { $0.error == nil }) else { throw .notFinite(place: place) }
    }
}
