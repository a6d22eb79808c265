// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Serving
import TrimLLaVA

/// What clients may ask of a server.
struct ServeLimitOptions: ParsableArguments {
    /// A number of answers, or as many as there is memory for.
    struct Parallel: ExpressibleByArgument {
        /// The number; nil for as many as there is memory for.
        let count: Int?

        init(count: Int?) { self.count = count }

        init?(argument: String) {
            if argument == "auto" {
                count = nil
            } else if let number = Int(argument),
                (1...LoadOptions.maximumParallel).contains(number)
            {
                count = number
            } else {
                return nil
            }
        }

        var defaultValueDescription: String { count.map { "\($0)" } ?? "auto" }
    }

    @Option(
        help: ArgumentHelp(
            "Answers that are generated at the same time; auto for as many as there is memory for, up to 16.",
            valueName: "count"))
    var parallel = Parallel(count: nil)

    @Option(
        help: ArgumentHelp(
            "Requests that wait for their turn; further ones are refused. (default: 4 times --parallel, at least 16)",
            valueName: "count"))
    var maxQueue: Int?

    @Option(
        help: ArgumentHelp(
            "Most connections. Beyond this number, those that wait for a request make room for new ones.",
            valueName: "count"))
    var maxConnections = 1024

    @Option(help: ArgumentHelp("Largest body of a request in MB.", valueName: "MB"))
    var maxBody = 64

    @Option(help: ArgumentHelp("Most pictures in a request.", valueName: "count"))
    var maxPictures = 8

    @Option(
        help: ArgumentHelp(
            "Most tokens of an answer where the request does not say.", valueName: "count"))
    var maxTokens = 512

    @Option(
        help: ArgumentHelp(
            "Seconds that a request may take; its answer is then cut. (default: no limit)",
            valueName: "seconds"))
    var requestTimeout: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds to finish answers in when the server is stopped.", valueName: "seconds"))
    var grace = 30

    func validate() throws {
        let checks: [(name: String, value: Int?, range: ClosedRange<Int>)] = [
            ("--max-queue", maxQueue, 1...1_000_000), ("--max-body", maxBody, 1...4096),
            ("--max-connections", maxConnections, 1...1_000_000),
            ("--max-pictures", maxPictures, 0...1024), ("--max-tokens", maxTokens, 1...1_000_000),
            ("--request-timeout", requestTimeout, 1...1_000_000), ("--grace", grace, 0...86_400),
        ]
        for check in checks {
            guard let value = check.value, !check.range.contains(value) else { continue }
            throw ValidationError(
                """
                \(check.name) is \(value), expected \(check.range.lowerBound) to \
                \(check.range.upperBound)
                """)
        }
    }

    var limits: ServingLimits {
        var limits = ServingLimits()
        limits.queued = maxQueue
        limits.connections = maxConnections
        limits.bodyBytes = maxBody * 1_000_000
        limits.bytesInFlight = max(limits.bytesInFlight, 4 * limits.bodyBytes)
        limits.pictures = maxPictures
        limits.answerTokens = maxTokens
        limits.requestSeconds = requestTimeout
        limits.graceSeconds = grace
        return limits
    }
}
