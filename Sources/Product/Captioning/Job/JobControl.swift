// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TrimLLaVA

/// Ends a job from another thread or on a signal.
public final class JobControl: Sendable {
    private let stopping = Atomic<Bool>(false)
    /// Cancels the captions in flight, between two layers.
    public let cancellation = Cancellation()

    /// A control that has not ended its job.
    public init() {}

    /// Lets the job finish the captions in flight and start no others.
    public func finish() { stopping.store(true, ordering: .relaxed) }

    /// Stops the job at once; captions in flight are lost.
    public func stop() {
        finish()
        cancellation.cancel()
    }

    /// Whether the job should start no more captions.
    public var isFinishing: Bool { stopping.load(ordering: .relaxed) }
}
