// SPDX-License-Identifier: Apache-2.0
import Generation
import TrimLLaVA

/// What is known of the answers to a request, as it happens.
struct AnswerProgress {
    /// One of the answers.
    struct Choice {
        var hasText = false
        var answer: Answer?
        /// When it left the queue, and when its first text came.
        var begun: ContinuousClock.Instant?
        var firstText: ContinuousClock.Instant?
        var ended: ContinuousClock.Instant?
    }

    private(set) var choices: [Choice]
    /// When the request came, and when it was queued.
    let arrived: ContinuousClock.Instant
    let submitted = ContinuousClock.now

    init(choices: Int, arrived: ContinuousClock.Instant) {
        self.choices = Array(repeating: Choice(), count: choices)
        self.arrived = arrived
    }

    /// Takes note of an event.
    mutating func note(_ event: Engine.Event, choice: Int) {
        switch event {
        case .queued: break
        case .encoding, .reading:
            choices[choice].begun = choices[choice].begun ?? .now
        case .text:
            choices[choice].hasText = true
            choices[choice].firstText = choices[choice].firstText ?? .now
        case .finished(let answer):
            choices[choice].answer = answer
            choices[choice].ended = .now
        }
    }

    /// The finished answers, in the order of the choices.
    var answers: [Answer] { choices.compactMap(\.answer) }

    /// Seconds that the first choice waited for its turn.
    var queuedSeconds: Double {
        guard let first = choices.first, let begun = first.begun else { return 0 }
        let loading = first.answer?.statistics.tilingSeconds ?? 0
        return max(0, (begun - submitted) / .seconds(1) - loading)
    }

    /// Seconds from the request to its first text.
    var firstTextSeconds: Double? {
        choices.compactMap(\.firstText).min().map { ($0 - arrived) / .seconds(1) }
    }

    /// Seconds from the request to the end of its last answer.
    var totalSeconds: Double {
        ((choices.compactMap(\.ended).max() ?? .now) - arrived) / .seconds(1)
    }

    /// What the log and the metrics say.
    func facts(pictures: Int) -> AnswerFacts {
        var facts = AnswerFacts()
        facts.queuedSeconds = queuedSeconds
        facts.firstTokenSeconds = firstTextSeconds
        facts.costs.pictures = pictures
        for answer in answers {
            facts.costs += AnswerCosts(answer.statistics)
            facts.finishReasons.append(answer.stopReason.rawValue)
        }
        return facts
    }
}
