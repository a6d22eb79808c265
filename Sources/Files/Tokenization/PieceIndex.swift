// SPDX-License-Identifier: Apache-2.0

/// Finds tokens by their bytes, in constant time: an open-addressing table over `ByteStrings`.
struct PieceIndex: Sendable {
    private let pieces: ByteStrings
    private var slots: [TokenID]  // a power of two of them, at most half taken; -1 is free
    private var longest = 0

    /// The first two tokens with the same bytes; only the first can be found.
    private(set) var duplicate: (first: TokenID, second: TokenID)?

    /// Indexes those tokens that `isIncluded` accepts.
    init(_ pieces: ByteStrings, where isIncluded: (Int) -> Bool = { _ in true }) {
        self.pieces = pieces
        let tokens = (0..<pieces.count).filter(isIncluded)
        var capacity = 16
        while capacity < 2 * tokens.count { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        for token in tokens {
            let slot = slot(of: pieces[token])
            if slots[slot] < 0 {
                slots[slot] = TokenID(token)
                longest = max(longest, pieces[token].count)
            } else if duplicate == nil {
                duplicate = (slots[slot], TokenID(token))
            }
        }
    }

    /// The token whose text is exactly `piece`.
    func token(_ piece: ArraySlice<UInt8>) -> TokenID? {
        guard piece.count <= longest else { return nil }
        let token = slots[slot(of: piece)]
        return token < 0 ? nil : token
    }

    /// The token whose text is exactly `piece`.
    func token(_ piece: String) -> TokenID? {
        token(Array(piece.utf8)[...])
    }

    /// Where `piece` is, or the free slot where it would be.
    private func slot(of piece: ArraySlice<UInt8>) -> Int {
        let mask = slots.count - 1
        var slot = hash(piece) & mask
        while slots[slot] >= 0, !pieces[Int(slots[slot])].elementsEqual(piece) {
            slot = (slot + 1) & mask
        }
        return slot
    }

    /// `Hasher` has a new seed in each process, so no file can provoke collisions.
    private func hash(_ piece: ArraySlice<UInt8>) -> Int {
        var hasher = Hasher()
        piece.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }
}
