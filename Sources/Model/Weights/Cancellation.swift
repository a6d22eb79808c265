// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// A flag with which another thread, or a signal, stops a run between two layers.
public final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)
    private let alternative: Cancellation?
    private let others: [Cancellation]

    /// A flag that is not raised.
    public init() { (alternative, others) = (nil, []) }

    /// A flag that also counts as raised once `alternative` is, or once all of `others` are.
    public init(_ alternative: Cancellation, orAll others: [Cancellation]) {
        (self.alternative, self.others) = (alternative, others)
    }

    /// Raises the flag.
    public func cancel() { flag.store(true, ordering: .relaxed) }

    /// Whether the flag is raised.
    public var isCancelled: Bool {
        flag.load(ordering: .relaxed) || alternative?.isCancelled == true
            || !others.isEmpty && others.allSatisfy(\.isCancelled)
    }

    /// - Throws: `ModelError.cancelled` once the flag is raised.
    public func check() throws(ModelError) {
        if isCancelled { throw .cancelled }
    }
}
