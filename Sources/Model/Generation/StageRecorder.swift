// SPDX-License-Identifier: Apache-2.0
import Pictures
import Synchronization
import TensorOps
import Tokenization

/// Keeps what every stage of a run computes, so that it can be held against the original model.
///
/// It has the parts of `StageRecord`. Any thread may read them at any time.
@dynamicMemberLookup
public final class StageRecorder: Sendable {
    private let record = Mutex(StageRecord())

    /// A recorder that has seen nothing.
    public init() {}

    /// A part of what has been recorded so far.
    public subscript<Part: Sendable>(dynamicMember part: KeyPath<StageRecord, Part>) -> Part {
        record.withLock { $0[keyPath: part] }
    }

    func update(_ body: (inout StageRecord) -> Void) { record.withLock { body(&$0) } }
}

/// What every stage of a run computed.
public struct StageRecord: Sendable {
    /// Numbers and their shape, outermost dimension first.
    public struct Tensor<Element: Sendable>: Sendable {
        /// Dimensions.
        public internal(set) var shape: [Int]
        /// Numbers in row-major order.
        public internal(set) var values: [Element]

        /// Adds more along the outermost dimension; numbers whose other dimensions differ become one long row.
        mutating func append(_ more: [Element], shape moreShape: [Int]) {
            values += more
            if values.count == more.count {
                shape = moreShape
            } else if shape.dropFirst() == moreShape.dropFirst() {
                shape[0] += moreShape[0]
            } else {
                shape = [values.count]
            }
        }
    }

    /// Normalised tiles of all pictures: `[tiles, 3, height, width]`.
    public private(set) var pixels = Tensor<Float>(shape: [0], values: [])
    /// What the projector takes of the vision tower's output: `[tiles, cells, width]`, or `[1, cells, width]` of tiles
    /// whose cells were interpolated to fewer.
    public private(set) var features = Tensor<Float>(shape: [0], values: [])
    /// The rows that stand for the pictures in the prompt: `[visual tokens, width]`.
    public private(set) var projected = Tensor<Float>(shape: [0], values: [])
    /// What the same rows add after each of the decoder's first layers, for models that have such addends:
    /// `[visual tokens, layers · width]`.
    public private(set) var addends = Tensor<Float>(shape: [0], values: [])
    /// The rows of `projected` that entered the decoder, picture after picture, each counted from its
    /// picture's first: `[kept rows]`.
    public private(set) var kept: [Int32] = []
    /// The prompt's tokens, −1 on visual rows: `[rows]`.
    public private(set) var tokens: [TokenID] = []
    /// The position of each row: `[rows]`.
    public private(set) var positions: [Position] = []
    /// Whether a position has a time, a row and a column that differ, for models with such positions.
    public private(set) var hasGridPositions = false
    /// The scores before each generated token: `[steps, vocabulary]`.
    public private(set) var logits = Tensor<Float>(shape: [0], values: [])
    /// The generated tokens: `[steps]`.
    public private(set) var generated: [TokenID] = []

    /// Adds a picture.
    ///
    /// - Parameters:
    ///   - picture: encoded with its features.
    ///   - width: the decoder's.
    mutating func add(_ tiles: TileBatch, _ picture: EncodedPicture, width: Int) {
        pixels.append(
            Array(tiles.pixels), shape: [tiles.count, 3, tiles.size.height, tiles.size.width])
        if let features = picture.features {
            // A grid of fewer cells than its tiles have belongs to none of them.
            let cells = tiles.plan.tiles.reduce(0) { $0 + $1.cellCount }
            let count = features.rows == cells ? tiles.count : 1
            self.features.append(
                features.array,
                shape: [count, features.rows / count, features.width])
        }
        let rows = picture.rows(picture.plan.visualRows)
        func columns(_ range: Range<Int>) -> [Float] {
            (0..<rows.rows).flatMap { row in
                UnsafeBufferPointer(start: rows.row(row) + range.lowerBound, count: range.count)
            }
        }
        projected.append(columns(0..<width), shape: [rows.rows, width])
        if rows.width > width {
            addends.append(columns(width..<rows.width), shape: [rows.rows, rows.width - width])
        }
    }

    mutating func add(_ selection: PictureSelection) {
        kept += selection.keptRows.map { Int32($0) }
    }

    mutating func add(tokens: [TokenID], positions: [Position], onGrid: Bool) {
        hasGridPositions = onGrid
        self.tokens += tokens
        self.positions += positions
    }

    mutating func add(_ scores: UnsafeBufferPointer<Float>, chosen: TokenID) {
        logits.append(Array(scores), shape: [1, scores.count])
        generated.append(chosen)
    }
}
