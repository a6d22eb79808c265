// SPDX-License-Identifier: Apache-2.0

/// How many tokens an automatic budget keeps for each that stands out of a picture, by the share of the unpruned answers
/// that is wanted.
public struct AutomaticRule: Sendable, Equatable {
    /// One measurement.
    public struct Point: Sendable, Equatable, Codable {
        /// Tokens that were kept for each that stands out.
        public let tokensPerOutstanding: Double
        /// The share of the unpruned answers that was left, in per cent.
        public let quality: Double

        /// A measurement.
        public init(tokensPerOutstanding: Double, quality: Double) {
            (self.tokensPerOutstanding, self.quality) = (tokensPerOutstanding, quality)
        }
    }

    /// The measurements; both numbers ascend.
    public let points: [Point]

    /// Measured on drawn scenes with the selector `spread` (docs/evaluation.md).
    public static let drawnScenes = AutomaticRule(points: [
        Point(tokensPerOutstanding: 0.2, quality: 90),
        Point(tokensPerOutstanding: 0.3, quality: 93.5),
        Point(tokensPerOutstanding: 0.42, quality: 96.5),
        Point(tokensPerOutstanding: 0.55, quality: 98),
        Point(tokensPerOutstanding: 0.7, quality: 99), Point(tokensPerOutstanding: 1, quality: 100),
    ])

    private init(points: [Point]) { self.points = points }

    /// The most tokens for each that stands out that a rule may name.
    private static let mostTokens = 16.0
    /// The most measurements of a rule.
    private static let mostPoints = 256

    /// A rule from measurements in any order; nil for fewer than two, and for numbers outside their range.
    ///
    /// More tokens cannot keep less: where chance measured that, neighbours get their mean, as in isotonic regression.
    public init?(measured: [Point]) {
        let sorted = measured.sorted { $0.tokensPerOutstanding < $1.tokensPerOutstanding }
        guard (2...Self.mostPoints).contains(sorted.count),
            sorted.allSatisfy({
                $0.tokensPerOutstanding > 0 && $0.tokensPerOutstanding <= Self.mostTokens
                    && (0...1000).contains($0.quality)
            }),
            zip(sorted, sorted.dropFirst()).allSatisfy({
                $0.tokensPerOutstanding < $1.tokensPerOutstanding
            })
        else { return nil }
        var pools: [(sum: Double, count: Int)] = []
        for point in sorted {
            pools.append((point.quality, 1))
            while pools.count > 1,
                pools[pools.count - 2].sum * Double(pools[pools.count - 1].count)
                    > pools[pools.count - 1].sum * Double(pools[pools.count - 2].count)
            {
                let last = pools.removeLast()
                pools[pools.count - 1].sum += last.sum
                pools[pools.count - 1].count += last.count
            }
        }
        let qualities = pools.flatMap { pool in
            [Double](repeating: pool.sum / Double(pool.count), count: pool.count)
        }
        points = zip(sorted, qualities).map { point, quality in
            Point(tokensPerOutstanding: point.tokensPerOutstanding, quality: quality)
        }
    }

    /// Tokens to keep for each that stands out: on the line from one measurement to the next, the fewest or the most
    /// measured outside.
    public func tokensPerOutstanding(for quality: Double) -> Double {
        guard let above = points.firstIndex(where: { $0.quality >= quality }) else {
            return points[points.count - 1].tokensPerOutstanding
        }
        guard above > 0 else { return points[0].tokensPerOutstanding }
        let (low, high) = (points[above - 1], points[above])
        let part = (quality - low.quality) / (high.quality - low.quality)
        return low.tokensPerOutstanding
            + part * (high.tokensPerOutstanding - low.tokensPerOutstanding)
    }
}
