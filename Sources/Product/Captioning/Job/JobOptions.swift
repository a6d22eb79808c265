// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TrimLLaVA

/// How a job generates captions.
public struct JobOptions: Sendable {
    /// How each caption is generated.
    public var generation: GenerationOptions
    /// Text before every caption.
    public var prefix = ""
    /// Text after every caption.
    public var suffix = ""
    /// How many captions are generated at the same time.
    public var parallel = ParallelChoice.automatic
    /// Extra threads that encode the next pictures while captions are generated.
    ///
    /// With 0, the same threads do both.
    public var encodingThreads = 0
    /// Whether to write records in the order of the pictures instead of as they are finished.
    public var isOrdered = false
    /// The most failures before the job stops; nil for no limit.
    public var maximumFailures: Int?
    /// Whether to crop pictures to their middle square for LLaVA-1.5.
    public var crops = false
    /// Whether to turn pictures as their EXIF orientation says.
    public var orients = true

    /// The default options.
    public init(generation: GenerationOptions = GenerationOptions()) {
        self.generation = generation
    }
}

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
