// SPDX-License-Identifier: Apache-2.0

/// How far a job is, and what it has cost.
public struct JobStatistics: Sendable, Equatable {
    /// Pictures to caption in this run, and inputs that are not pictures.
    public var pictures = 0
    /// Pictures of these that have all their captions now.
    public var captioned = 0
    /// Pictures and inputs that failed.
    public var failed = 0
    /// Pictures that had all their captions in the records before.
    public var finishedBefore = 0
    /// Pictures whose sidecars were there and stayed.
    public var skipped = 0
    /// How often a picture was named again.
    public var duplicates = 0

    /// Captions generated.
    public var captions = 0
    /// Captions of these that a limit on their length, or the context, cut.
    public var endedByLength = 0
    /// Tokens of these captions.
    public var generatedTokens = 0
    /// Visual tokens of their pictures.
    public var visualTokens = 0
    /// Those that entered the decoder.
    public var keptTokens = 0

    /// Captions on their way at the same time, at most.
    public var parallel = 0
    /// Seconds since the first picture was waited for.
    public var seconds = 0.0
    /// Seconds for choosing how many captions run in parallel.
    public var measuringSeconds = 0.0
    /// Seconds in vision tower, projector and selection, but for pictures that were encoded ahead.
    public var visionSeconds = 0.0
    /// Seconds in the decoder, prompts and answers.
    public var decoderSeconds = 0.0
    /// Seconds that pictures were waited for.
    public var waitingSeconds = 0.0
    /// Bytes of the most KV cache that was in use.
    public var cacheBytes = 0

    /// Nothing to do.
    public init() {}

    /// Nothing done yet of a plan.
    public init(_ plan: JobPlan) {
        pictures = plan.tasks.count + plan.failures.count + plan.sidecarFailures.count
        finishedBefore = plan.finishedCount
        skipped = plan.skippedCount
    }

    /// Pictures that are through, whatever became of them.
    public var done: Int { captioned + failed }
    /// Pictures that got their captions, per minute.
    public var picturesPerMinute: Double { seconds > 0 ? Double(captioned) / seconds * 60 : 0 }
    /// Tokens of captions per second.
    public var tokensPerSecond: Double {
        seconds > 0 ? Double(generatedTokens) / seconds : 0
    }
    /// Seconds that the rest will take at this rate; nil until a picture is done.
    public var secondsLeft: Double? {
        guard done > 0, seconds > 0, pictures >= done else { return nil }
        return seconds / Double(done) * Double(pictures - done)
    }
}
