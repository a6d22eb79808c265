// SPDX-License-Identifier: Apache-2.0
import NIOCore
import Synchronization
import TrimLLaVA

/// A request and its answer, as the log tells them.
final class Exchange: Sendable {
    /// What is known when it ends.
    struct Facts: Sendable {
        /// The request's name.
        var id = ""
        /// Bytes of the answer's body.
        var bytes = 0
        /// What its answers took.
        var answers = AnswerFacts()
        /// The status where it is told after the head, within a stream.
        var lateError: APIError?
    }

    /// The channel that it is on.
    let channel: any Channel
    /// When its head came.
    let start = ContinuousClock.now
    private let facts = Mutex(Facts())

    init(channel: any Channel) { self.channel = channel }

    /// Seconds since its head came.
    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    var current: Facts { facts.withLock { $0 } }

    func update(_ body: (inout Facts) -> Void) { facts.withLock { body(&$0) } }

    private let held = Mutex<BytesInFlight.Share?>(nil)

    /// Keeps a share of memory until the request is over.
    func hold(_ share: BytesInFlight.Share) { held.withLock { $0 = share } }
}

/// What the answers to a request took, for the log and the metrics.
struct AnswerFacts: Sendable {
    var queuedSeconds = 0.0
    var firstTokenSeconds: Double?
    var costs = AnswerCosts()
    var finishReasons: [String] = []
    /// What could be set otherwise.
    var note: String?
}

/// What some answers took, all together.
struct AnswerCosts: Sendable {
    var visionSeconds = 0.0
    var prefillSeconds = 0.0
    var decodeSeconds = 0.0
    var promptTokens = 0
    var cachedTokens = 0
    var generatedTokens = 0
    var visualTokens = 0
    var keptTokens = 0
    var pictures = 0

    static func += (total: inout Self, more: Self) {
        total.visionSeconds += more.visionSeconds
        total.prefillSeconds += more.prefillSeconds
        total.decodeSeconds += more.decodeSeconds
        total.promptTokens += more.promptTokens
        total.cachedTokens += more.cachedTokens
        total.generatedTokens += more.generatedTokens
        total.visualTokens += more.visualTokens
        total.keptTokens += more.keptTokens
        total.pictures += more.pictures
    }
}

extension AnswerCosts {
    /// What an answer took, without its pictures, which other answers may be about as well.
    init(_ statistics: GenerationStatistics) {
        visionSeconds = statistics.visionSeconds + statistics.projectionSeconds
        prefillSeconds = statistics.prefillSeconds
        decodeSeconds = statistics.decodeSeconds
        promptTokens = statistics.promptRows
        cachedTokens = statistics.sharedRows
        generatedTokens = statistics.generatedTokens
        visualTokens = statistics.unprunedVisualRows
        keptTokens = statistics.visualRows
    }
}
