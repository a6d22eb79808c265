// SPDX-License-Identifier: Apache-2.0
import Generation
import TrimLLaVA

/// A job's progress and cost.
public struct JobStatistics: Sendable, Equatable {
    /// Pictures to caption in this run, and inputs that failed before it.
    public var pictures = 0
    /// Pictures of these that have all of their captions.
    public var captioned = 0
    /// Pictures and inputs that failed.
    public var failed = 0
    /// Pictures that had all of their captions in the records before the run.
    public var finishedBefore = 0
    /// Pictures that were skipped because they had sidecars.
    public var skipped = 0
    /// The number of repeated pictures.
    public var duplicates = 0

    /// Captions generated.
    public var captions = 0
    /// Captions that the limit on their length or the context cut.
    public var endedByLength = 0
    /// Tokens of these captions.
    public var generatedTokens = 0
    /// Visual tokens of their pictures.
    public var visualTokens = 0
    /// Visual tokens that entered the decoder.
    public var keptTokens = 0

    /// The most captions at the same time.
    public var parallel = 0
    /// Seconds since the first picture was asked for.
    public var seconds = 0.0
    /// Seconds for choosing how many captions run in parallel.
    public var measuringSeconds = 0.0
    /// Seconds in vision tower, projector and selection, without pictures that were encoded on extra threads.
    public var visionSeconds = 0.0
    /// Seconds in the decoder, for prompts and answers.
    public var decoderSeconds = 0.0
    /// Seconds of waiting for pictures.
    public var waitingSeconds = 0.0
    /// The largest size of the KV cache in bytes.
    public var cacheBytes = 0

    /// The statistics of an empty job.
    public init() {}

    /// The initial statistics of a plan.
    public init(_ plan: JobPlan) {
        pictures = plan.tasks.count + plan.failures.count + plan.sidecarFailures.count
        finishedBefore = plan.finishedCount
        skipped = plan.skippedCount
    }

    /// Counts a caption.
    mutating func add(_ answer: Answer) {
        captions += 1
        if [.length, .context].contains(answer.stopReason) { endedByLength += 1 }
        generatedTokens += answer.statistics.generatedTokens
        visualTokens += answer.statistics.unprunedVisualRows
        keptTokens += answer.statistics.visualRows
    }

    /// Takes over what the engine has spent its time on.
    mutating func add(_ status: Engine.Status, seconds: Double) {
        self.seconds = seconds
        visionSeconds = status.encodingSeconds
        decoderSeconds = status.decoderSeconds
        waitingSeconds = status.waitingSeconds
        cacheBytes = status.mostCacheBytes
    }

    /// Pictures that are captioned or failed.
    public var done: Int { captioned + failed }
    /// Captioned pictures per minute.
    public var picturesPerMinute: Double { seconds > 0 ? Double(captioned) / seconds * 60 : 0 }
    /// Generated tokens per second.
    public var tokensPerSecond: Double {
        seconds > 0 ? Double(generatedTokens) / seconds : 0
    }
    /// The estimated seconds for the remaining pictures; nil until one is done.
    public var secondsLeft: Double? {
        guard done > 0, seconds > 0, pictures >= done else { return nil }
        return seconds / Double(done) * Double(pictures - done)
    }
}
