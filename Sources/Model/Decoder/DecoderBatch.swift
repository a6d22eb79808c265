// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// Rows of one or more sequences that go through the decoder together, so that weights are read once for
/// all of them.
///
/// It keeps its memory from step to step. A batch belongs to one thread at a time.
public final class DecoderBatch {
    /// Rows that continue one sequence.
    public struct Part {
        /// The batch's rows.
        public let rows: Range<Int>
        /// The sequence.
        public let cache: KeyValueCache
        /// Why the rows have no result; other sequences are not affected.
        public internal(set) var error: ModelError?
    }

    /// The rows: embeddings before the decoder has run, hidden states of `wanted` rows afterwards.
    public let hidden: Activations  // [rows, width]
    /// The rows, in order, whose hidden states are looked at when the decoder has run; nil for all.
    ///
    /// The last layer takes from the others only what goes to the cache.
    public var wanted: [Int]?
    /// The rotary embedding's position of each row.
    public private(set) var positions: [Position] = []  // [rows]
    /// Rows that were added.
    public var rowCount: Int { positions.count }
    /// The sequences, one after the other.
    public internal(set) var parts: [Part] = []

    let workspace: DecoderWorkspace
    /// Addends of a picture's rows, one layer's after the other.
    private let addends: Activations  // [hidden.rows, addendLayers · width]
    /// The batch's row of each row of addends.
    private var addendRows: [Int] = []
    var sequences: [CachedSequence] = []

    /// An empty batch for a decoder.
    public init(_ decoder: Decoder) {
        hidden = decoder.ops.activations(rows: 0, width: decoder.config.width)
        addends = decoder.ops.activations(
            rows: 0, width: decoder.config.pictureRowWidth - decoder.config.width)
        workspace = DecoderWorkspace(decoder)
    }

    /// Makes room for a total number of rows, all of which are wanted, and forgets the earlier ones.
    public func restart(rows: Int) {
        hidden.resize(rows: rows)
        wanted = nil
        positions.removeAll(keepingCapacity: true)
        parts.removeAll(keepingCapacity: true)
        addendRows.removeAll(keepingCapacity: true)
        sequences.removeAll(keepingCapacity: true)
    }

    /// Adds rows that continue a sequence, whose embeddings the caller writes to `hidden`.
    ///
    /// - Returns: the batch's rows.
    @discardableResult
    public func append(
        positions more: ArraySlice<Position>, to cache: KeyValueCache
    ) -> Range<Int> {
        let rows = positions.count..<(positions.count + more.count)
        precondition(rows.upperBound <= hidden.rows)
        positions += more
        cache.reserve(rows: rows.count)
        parts.append(Part(rows: rows, cache: cache))
        sequences.append(cache.sequence(rows: rows))
        return rows
    }

    /// Writes a row of a picture: its embedding, and what it adds after the first layers.
    ///
    /// - Parameters:
    ///   - picture: `[rows, pictureRowWidth]`.
    ///   - row: the batch's row that this row of the picture becomes.
    public func write(_ picture: Activations, row source: Int, to row: Int) {
        let (numbers, width) = (picture.row(source), hidden.width)
        precondition(picture.width == width + addends.width)
        hidden.row(row).update(from: numbers, count: width)
        guard addends.width > 0 else { return }
        // Room for all that may follow: growing later would lose what is written.
        if addendRows.isEmpty { addends.resize(rows: hidden.rows) }
        addends.row(addendRows.count).update(from: numbers + width, count: addends.width)
        addendRows.append(row)
    }

    /// Adds to a picture's rows what they bring for a layer.
    func addAddends(after layer: Int, _ ops: TensorOps) {
        let columns = layer * hidden.width..<(layer + 1) * hidden.width
        ops.add(addends, columns: columns, to: hidden, rows: addendRows)
    }
}

/// The activations of a decoder's layers.
final class DecoderWorkspace {
    let normed: Activations  // [rows, width]
    /// Queries, keys and values.
    let queryKeyValue: [Activations]  // [rows, heads · headWidth], [rows, keyValueWidth] twice
    let attended: Activations  // [rows, heads · headWidth]
    let gateAndUp: [Activations]  // each [rows, feedForwardWidth]
    let angles: [RotaryEmbedding.Angles]  // as `DecoderWeights.rotaries`
    /// Rows that the last layer and the output layer are computed of, and the logits.
    let last: Activations  // [sequences, width]
    let logits: Activations  // [sequences, vocabulary]

    init(_ decoder: Decoder) {
        let (config, ops) = (decoder.config, decoder.ops)
        func rows(_ width: Int) -> Activations { ops.activations(rows: 0, width: width) }
        normed = rows(config.width)
        queryKeyValue = [
            rows(config.attention.queryWidth), rows(config.attention.keyValueWidth),
            rows(config.attention.keyValueWidth),
        ]
        attended = rows(config.attention.queryWidth)
        gateAndUp = [rows(config.feedForwardWidth), rows(config.feedForwardWidth)]
        angles = decoder.roomForAngles()
        last = rows(config.width)
        logits = rows(decoder.vocabularySize)
    }

    /// Goes on with some rows alone: those of the attention's result, and the hidden states in `last`.
    func keep(_ rows: [Int], of hidden: Activations) {
        last.resize(rows: rows.count)
        for (place, row) in rows.enumerated() {
            last.row(place).update(from: hidden.row(row), count: hidden.width)
            // In order, no row is overwritten before it is moved.
            if place < row {
                attended.row(place).update(from: attended.row(row), count: attended.width)
            }
        }
        resize(rows: rows.count)
    }

    /// Puts the hidden states of these rows back.
    func putBack(_ rows: [Int], to hidden: Activations) {
        for (place, row) in rows.enumerated() {
            hidden.row(row).update(from: last.row(place), count: hidden.width)
        }
    }

    func resize(rows: Int) {
        for activations in queryKeyValue { activations.resize(rows: rows) }
        for activations in gateAndUp { activations.resize(rows: rows) }
        normed.resize(rows: rows)
        attended.resize(rows: rows)
    }
}
