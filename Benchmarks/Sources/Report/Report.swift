// SPDX-License-Identifier: Apache-2.0
import Foundation
import MachinePeaks

/// Prints rates as parts of the machine's peaks, all measured in the same run.
@main struct Report {
    static func main() {
        let processors = ProcessInfo.processInfo.activeProcessorCount
        printPeaks((processors > 1 ? [1, processors] : [1]).map(MachinePeaks.measure))
    }
}
