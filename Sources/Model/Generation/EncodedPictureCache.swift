// SPDX-License-Identifier: Apache-2.0
import Pictures
import Synchronization
import TokenPruning

/// Encoded pictures that were asked about lately, by what they show.
public final class EncodedPictureCache: Sendable {
    private struct State {
        /// The picture used last comes last.
        var pictures: [EncodedPicture] = []
        var byteCount = 0
    }

    /// Bytes that the pictures may take.
    public let budget: Int
    private let state = Mutex(State())

    /// An empty cache; a budget of 0 keeps nothing.
    public init(budget: Int) { self.budget = budget }

    /// Bytes that the pictures take.
    public var byteCount: Int { state.withLock(\.byteCount) }

    /// The picture with a key, if it is there with all that a selector looks at.
    func picture(_ key: PictureKey, for needs: Set<SelectionNeed>) -> EncodedPicture? {
        state.withLock { state in
            guard
                let index = state.pictures.firstIndex(where: { $0.key == key && $0.has(needs) })
            else { return nil }
            let picture = state.pictures.remove(at: index)
            state.pictures.append(picture)
            return picture
        }
    }

    /// Keeps a picture with a key in place of those used longest ago.
    func insert(_ picture: EncodedPicture) {
        guard let key = picture.key, picture.byteCount <= budget else { return }
        state.withLock { state in
            for index in state.pictures.indices.reversed() where state.pictures[index].key == key {
                state.byteCount -= state.pictures.remove(at: index).byteCount
            }
            while state.byteCount + picture.byteCount > budget {
                state.byteCount -= state.pictures.removeFirst().byteCount
            }
            state.pictures.append(picture)
            state.byteCount += picture.byteCount
        }
    }
}
