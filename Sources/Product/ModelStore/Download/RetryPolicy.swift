// SPDX-License-Identifier: Apache-2.0

/// How often and how soon a failed request is sent again.
struct RetryPolicy: Sendable {
    /// The most tries in a row that bring nothing.
    var tries = 6
    /// Seconds before the second try; they double from try to try.
    var firstWait = 1.0
    /// The longest wait in seconds, unless the server asks for more.
    var longestWait = 30.0
    /// The longest wait that a server may ask for, in seconds.
    var longestAdvisedWait = 600.0

    /// Seconds before the next try; nil if there is none.
    ///
    /// - Parameter failed: the number of tries in a row that brought nothing.
    func wait(after fault: DownloadFault, failed: Int) -> Double? {
        guard failed < tries else { return nil }
        if let advised = fault.advisedWait {
            return advised <= longestAdvisedWait ? advised : nil
        }
        let doublings = Double(1 << min(max(0, failed - 1), 16))
        return min(firstWait * doublings, longestWait)
    }
}
