// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts what the server does, and writes it as Prometheus reads it (text format 0.0.4).
final class Metrics: Sendable {
    fileprivate struct Label: Hashable {
        let route: String
        let status: Int
    }

    fileprivate struct State {
        var requests: [Label: Int] = [:]
        var running = 0
        var answers: [String: Int] = [:]
        var costs = AnswerCosts()
        var refused = 0
        var refusedConnections = 0
        var duration = Histogram()
        var firstToken = Histogram()
        var queued = Histogram()
    }

    private let state = Mutex(State())

    /// Seconds that a request with an answer took, on average.
    var averageSeconds: Double {
        state.withLock { $0.duration.count > 0 ? $0.duration.sum / Double($0.duration.count) : 2 }
    }

    func requestBegan() { state.withLock { $0.running += 1 } }

    /// Counts a request that is refused because there are too many connections.
    func connectionRefused() {
        state.withLock { state in
            state.refusedConnections += 1
            state.requests[Label(route: "none", status: 503), default: 0] += 1
        }
    }

    /// Counts a request whose answer is written.
    func requestEnded(route: String, status: Int, seconds: Double, _ answers: AnswerFacts) {
        state.withLock { state in
            state.running -= 1
            state.requests[Label(route: route, status: status), default: 0] += 1
            if status == 429 { state.refused += 1 }
            guard !answers.finishReasons.isEmpty else { return }
            for reason in answers.finishReasons { state.answers[reason, default: 0] += 1 }
            state.costs += answers.costs
            state.duration.add(seconds)
            state.queued.add(answers.queuedSeconds)
            if let firstToken = answers.firstTokenSeconds { state.firstToken.add(firstToken) }
        }
    }

    /// All numbers; what the engine does comes from `status`.
    func text(_ status: ServerStatus) -> String {
        let state = state.withLock { $0 }
        var text = PrometheusText()
        text.family("requests_total", "counter", "Requests by route and status.") {
            state.requests.sorted { ($0.key.route, $0.key.status) < ($1.key.route, $1.key.status) }
                .map { (["route": $0.key.route, "status": "\($0.key.status)"], Double($0.value)) }
        }
        text.family("answers_total", "counter", "Answers by what ended them.") {
            state.answers.sorted { $0.key < $1.key }
                .map { (["finish_reason": $0.key], Double($0.value)) }
        }
        for (name, value, help) in state.totals {
            text.family(name, "counter", help) { [([:], value)] }
        }
        text.family("requests_open", "gauge", "Requests whose answers are not written.") {
            [([:], Double(state.running))]
        }
        for (name, value, help) in status.numbers {
            text.family(name, "gauge", help) { [([:], value)] }
        }
        text.histogram("e2e_request_latency_seconds", "From head to answer.", state.duration)
        text.histogram("time_to_first_token_seconds", "From head to first text.", state.firstToken)
        text.histogram("request_queue_time_seconds", "Waiting for a turn.", state.queued)
        return text.text
    }
}

extension Metrics.State {
    /// What only grows, with names and meanings.
    fileprivate var totals: [(String, Double, String)] {
        [
            ("prompt_tokens_total", Double(costs.promptTokens), "Rows of prompts."),
            (
                "prompt_tokens_cached_total", Double(costs.cachedTokens),
                "Those that the KV cache had."
            ),
            ("tokens_predicted_total", Double(costs.generatedTokens), "Generated tokens."),
            ("visual_tokens_total", Double(costs.visualTokens), "Visual tokens before pruning."),
            ("kept_tokens_total", Double(costs.keptTokens), "Those that entered the decoder."),
            ("pictures_total", Double(costs.pictures), "Pictures that answers were about."),
            ("requests_refused_total", Double(refused), "Requests beyond the queue."),
            (
                "connections_refused_total", Double(refusedConnections),
                "Requests on connections beyond the limit."
            ),
            ("vision_seconds_total", costs.visionSeconds, "Seconds in vision tower and projector."),
            ("prompt_seconds_total", costs.prefillSeconds, "Seconds in prefill."),
            ("tokens_predicted_seconds_total", costs.decodeSeconds, "Seconds in decoding."),
        ]
    }
}

/// How busy a server is.
struct ServerStatus: Sendable {
    var isReady = false
    var queued = 0
    var active = 0
    var takenPages = 0
    var allPages = 0
    var connections = 0
    var bytesInFlight = 0

    /// All of it, with names and meanings.
    var numbers: [(String, Double, String)] {
        [
            ("requests_processing", Double(active), "Requests in progress."),
            ("requests_deferred", Double(queued), "Requests that wait for their turn."),
            ("kv_cache_pages", Double(takenPages), "Pages of the KV cache that hold rows."),
            ("kv_cache_pages_limit", Double(allPages), "Pages of the KV cache."),
            ("connections", Double(connections), "Open connections."),
            ("bytes_in_flight", Double(bytesInFlight), "Bytes of open requests' bodies."),
            ("ready", isReady ? 1 : 0, "Whether requests are taken."),
        ]
    }
}

/// Counts of seconds below bounds.
struct Histogram: Sendable {
    static let bounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 300, 600]

    private(set) var counts = [Int](repeating: 0, count: bounds.count + 1)
    private(set) var sum = 0.0

    /// All counts together.
    var count: Int { counts.reduce(0, +) }

    mutating func add(_ seconds: Double) {
        counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
        sum += seconds
    }
}
