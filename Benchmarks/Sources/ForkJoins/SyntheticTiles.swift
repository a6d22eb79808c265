// SPDX-License-Identifier: Apache-2.0
import CTileLoops

/// Tiles of a fixed amount of work, given by its duration on an idle core.
///
/// A busy core takes longer.
public final class SyntheticTiles: Sendable {
    private let count: Int
    private let rounds: Int

    /// Tiles that take `microseconds` each on the calling thread's core; 0 means no work at all.
    public init(count: Int, microseconds: Double) {
        self.count = count
        rounds = Int(microseconds / Self.microsecondsPerRound)
    }

    /// The job of all tiles, valid while this object lives.
    public var job: TileJob {
        TileJob(count: count, context: Unmanaged.passUnretained(self).toOpaque()) { tiles, _ in
            Unmanaged<SyntheticTiles>.fromOpaque(tiles).takeUnretainedValue().runOne()
        }
    }

    /// Does the work of one tile.
    public func runOne() { multiply_adds(rounds) }

    /// The shortest of many measurements, once per process.
    private static let microsecondsPerRound: Double = {
        let rounds = 10_000
        let durations = (0..<500).map { _ in
            ContinuousClock().measure { multiply_adds(rounds) }
        }
        return (durations.min() ?? .zero) / .microseconds(1) / Double(rounds)
    }()
}
