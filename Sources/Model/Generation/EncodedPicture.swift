// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
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
        (first, second, third, fourth) = (word(0), word(1), word(2), word(3))
    }

    /// A key that no other picture has.
    package static func unique() -> PictureKey {
        PictureKey(digest: (0..<32).map { _ in UInt8.random(in: 0...255) })
    }
}

/// A picture that has gone through the vision tower and the projector, for many questions or selectors.
public struct EncodedPicture: Sendable {
    /// The rows that the picture takes unpruned.
    let layout: VisualTokenLayout
    let embeddings: Activations  // [tiles · patches, width]
    let features: Activations?  // [tiles · patches, featureWidth]
    let classAttention: [Float]?  // [tiles · patches]
    /// What the picture shows; nil for one that is not known again.
    let key: PictureKey?
    /// Seconds that the vision tower and the projector took.
    let seconds: Double

    /// Whether a selector finds what it looks at.
    func has(_ needs: Set<SelectionNeed>) -> Bool {
        (features != nil || !needs.contains(.features))
            && (classAttention != nil || !needs.contains(.classAttention))
    }

    /// Bytes of its numbers.
    var byteCount: Int {
        let floats =
            embeddings.rows * embeddings.width + (features.map { $0.rows * $0.width } ?? 0)
            + (classAttention?.count ?? 0)
        return floats * MemoryLayout<Float>.size
    }

    /// The patches that a selector may choose.
    var candidatePatches: [Int] {
        layout.candidates.compactMap { index in
            if case .patch(let patch) = layout.rows[index] { patch } else { nil }
        }
    }
}
