// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TrimLLaVA

/// By which another thread, or a signal, ends a job.
public final class JobControl: Sendable {
    private let stopping = Atomic<Bool>(false)
    /// Stops what is in flight, between two layers.
    public let cancellation = Cancellation()

    /// A job that nobody ends.
    public init() {}

    /// Lets the job finish the captions that are in flight, and begin no more.
    public func finish() { stopping.store(true, ordering: .relaxed) }

    /// Stops the job at once; captions that are in flight are lost.
    public func stop() {
        finish()
        cancellation.cancel()
    }

    /// Whether the job should begin no more captions.
    public var isFinishing: Bool { stopping.load(ordering: .relaxed) }
}
