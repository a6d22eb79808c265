// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TokenPruning

/// What tells pictures apart by their content: a digest of a file's bytes and of all that decides its tiles.
public struct PictureKey: Hashable, Sendable {
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64
    private let fourth: UInt64

    /// The key of a digest of 32 bytes, as SHA-256 has.
    public init(digest: some Sequence<UInt8>) {
        let bytes = Array(digest)
        precondition(bytes.count == 32, "a digest of \(bytes.count) bytes, expected 32")
        func word(_ index: Int) -> UInt64 {
            bytes[(8 * index)..<(8 * index + 8)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        self.init(words: (word(0), word(1), word(2), word(3)))
    }

    private init(words: (UInt64, UInt64, UInt64, UInt64)) {
        (first, second, third, fourth) = words
    }

    /// The key of the picture's rows after something has changed them.
    ///
    /// - Parameter change: all that decides how; equal changes give equal keys within a run of the program.
    package func changed(by change: some Hashable) -> PictureKey {
        var hasher = Hasher()
        hasher.combine(change)
        let bits = UInt64(bitPattern: Int64(hasher.finalize()))
        return PictureKey(words: (first ^ bits, second, third, fourth))
    }

    /// A key that no other picture has.
    package static func unique() -> PictureKey {
        PictureKey(digest: (0..<32).map { _ in UInt8.random(in: 0...255) })
    }
}

/// A picture that has gone through an encoder, for many questions or selectors.
public struct EncodedPicture: Sendable {
    /// What the picture becomes.
    package let plan: PicturePlan
    /// What the decoder would read for each cell of the tiles.
    package let embeddings: Activations  // [cells, width]
    /// The vision tower's output, where it was asked for.
    package let features: Activations?  // [cells, featureWidth]
    /// How much attention each cell gets in the last block of the tower, where it was asked for.
    package let attention: [Float]?  // [cells]
    /// How much attention each cell gets from all in two blocks of the tower, where it was asked for.
    package let receivedAttention: ReceivedAttention?  // [cells] each
    /// The row of newlines, for plans that have any.
    private let newline: [Float]?  // [width]
    /// What the picture shows; nil for one that is not known again.
    package let key: PictureKey?
    /// Seconds that the vision tower and the projector took.
    package let seconds: Double

    init(
        plan: PicturePlan, embeddings: Activations, features: Activations?,
        attention: [Float]?, receivedAttention: ReceivedAttention? = nil, newline: [Float]?,
        key: PictureKey?, seconds: Double
    ) {
        self.plan = plan
        self.embeddings = embeddings
        self.features = features
        self.attention = attention
        self.receivedAttention = receivedAttention
        self.newline = newline
        self.key = key
        self.seconds = seconds
    }

    /// Whether a selector finds what it looks at.
    package func has(_ needs: Set<SelectionNeed>) -> Bool {
        (features != nil || !needs.contains(.features))
            && (attention != nil || !needs.contains(.attention))
            && (receivedAttention != nil || !needs.contains(.receivedAttention))
    }

    /// Bytes of its numbers.
    package var byteCount: Int {
        let floats =
            embeddings.rows * embeddings.width + (features.map { $0.rows * $0.width } ?? 0)
            + (attention?.count ?? 0)
            + (receivedAttention.map { $0.middle.count + $0.last.count } ?? 0)
        return floats * MemoryLayout<Float>.size
    }

    /// What the decoder reads of the picture; rows of tokens, whose embeddings it knows itself, have any content.
    ///
    /// - Parameter chosen: indices into the plan's rows.
    /// - Returns: `[chosen, width]`.
    package func rows(_ chosen: [Int]) -> Activations {
        let packed = Activations(rows: chosen.count, width: embeddings.width)
        let cells = plan.cells(ofRows: chosen)
        for (row, index) in chosen.enumerated() {
            if let cell = cells[row] {
                packed.row(row).update(from: embeddings.row(cell), count: packed.width)
            } else if plan.rows[index] == .newline {
                guard let newline else { preconditionFailure("a newline without a row for it") }
                packed.row(row).update(from: newline, count: packed.width)
            }
        }
        return packed
    }
}
