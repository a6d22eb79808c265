// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Captioning

@Suite struct ParallelChoiceTests {
    @Test func theSmallestNearTheBestIsChosen() {
        let candidates = [1, 2, 4, 6, 12]
        func best(_ seconds: [Double]) -> Int {
            ParallelChoice.best(of: candidates, stepSeconds: seconds)
        }
        // Steps of constant cost, and steps whose cost is proportional to their sequences.
        #expect(best([1, 1, 1, 1, 1]) == 12)
        #expect(best([1, 2, 4, 6, 12]) == 1)
        #expect(best([1, 1.2, 1.5, 2, 4]) == 6)
        #expect(best([1, 1.2, 1.5, 2.3, 4.5]) == 4)
        // A gain of 5 % is within the noise, one of 10 % is not.
        #expect(best([1, 1.2, 1.5, 2, 3.8]) == 6)
        #expect(best([1, 1.2, 1.5, 2, 3.6]) == 12)
    }

    @Test func textsAreRead() {
        #expect(ParallelChoice(parsing: "auto") == .automatic)
        #expect(ParallelChoice(parsing: "12") == .count(12))
        for text in ["0", "-1", "", "all", "1.5"] { #expect(ParallelChoice(parsing: text) == nil) }
    }
}
