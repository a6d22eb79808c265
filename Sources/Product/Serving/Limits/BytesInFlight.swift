// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts the bytes of all requests that are not answered, within a limit.
final class BytesInFlight: Sendable {
    /// Bytes of one request, given back when nobody holds it any more.
    final class Share: Sendable {
        private let all: BytesInFlight
        private let bytes = Mutex(0)

        fileprivate init(_ all: BytesInFlight) { self.all = all }

        /// Takes more bytes; false where there are none.
        func grow(by more: Int) -> Bool {
            guard all.take(more) else { return false }
            bytes.withLock { $0 += more }
            return true
        }

        deinit { all.giveBack(bytes.withLock { $0 }) }
    }

    private let limit: Int
    private let taken = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// Bytes that are taken.
    var count: Int { taken.withLock { $0 } }

    /// Whether there is room for more bytes at present.
    func hasRoom(for more: Int) -> Bool { taken.withLock { $0 + more <= limit } }

    /// A share without bytes.
    func share() -> Share { Share(self) }

    private func take(_ more: Int) -> Bool {
        taken.withLock { taken in
            guard taken + more <= limit else { return false }
            taken += more
            return true
        }
    }

    private func giveBack(_ bytes: Int) { taken.withLock { $0 -= bytes } }
}
