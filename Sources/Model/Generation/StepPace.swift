// SPDX-License-Identifier: Apache-2.0

/// How much a step may do while somebody reads an answer as it comes, by what steps have taken so far.
struct StepPace {
    /// Seconds that should pass between two tokens at most.
    let longestPause: Double

    private var secondsPerPromptRow: Double?
    private var secondsPerDecode = 0.0
    private var secondsPerSlice = 0.0

    /// Weight of the latest measurement in a mean: machines that are shared change within seconds.
    private static let latestWeight = 0.5
    /// Rows of a first batch, of which nothing is known: four tiles of six.
    private static let firstPromptRows = 24
    /// A tile of six rows: with fewer, a batch takes hardly less.
    private static let fewestPromptRows = 6

    init(longestPause: Double) { self.longestPause = longestPause }

    /// Whether a step that has encoded pictures for some seconds may go on with one more slice.
    ///
    /// Prompts and slices share what decoding leaves of a pause.
    func allowsSlice(after seconds: Double, besidePrompts: Bool) -> Bool {
        let left = longestPause - secondsPerDecode
        return seconds + secondsPerSlice <= (besidePrompts ? left / 2 : left)
    }

    /// The most rows of prompts in a step that has taken some seconds already.
    func promptRows(after seconds: Double) -> Int {
        guard let secondsPerPromptRow, secondsPerPromptRow > 0 else { return Self.firstPromptRows }
        let left = max(0, longestPause - secondsPerDecode - seconds)
        let rows = min(left / secondsPerPromptRow, Double(PrefillScheduler.rowsPerBatch))
        return max(Self.fewestPromptRows, Int(rows))
    }

    /// Takes in what a slice of a picture took.
    mutating func measuredSlice(_ seconds: Double) {
        secondsPerSlice = Self.mean(secondsPerSlice, seconds)
    }

    /// Takes in what a batch took.
    mutating func measuredBatch(_ seconds: Double, promptRows: Int) {
        if promptRows == 0 {
            secondsPerDecode = Self.mean(secondsPerDecode, seconds)
        } else {
            let ofRow = max(0, seconds - secondsPerDecode) / Double(promptRows)
            secondsPerPromptRow = Self.mean(secondsPerPromptRow ?? ofRow, ofRow)
        }
    }

    private static func mean(_ before: Double, _ latest: Double) -> Double {
        before == 0 ? latest : before + latestWeight * (latest - before)
    }
}
