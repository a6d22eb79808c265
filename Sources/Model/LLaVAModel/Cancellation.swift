// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A flag by which another thread, or a signal, stops a run between two layers.
public final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    /// A flag that is not raised.
    public init() {}

    /// Raises the flag.
    public func cancel() { flag.store(true, ordering: .relaxed) }

    /// Whether the flag is raised.
    public var isCancelled: Bool { flag.load(ordering: .relaxed) }

    /// - Throws: `ModelError.cancelled` once the flag is raised.
    func check() throws(ModelError) {
        if isCancelled { throw .cancelled }
    }
}
