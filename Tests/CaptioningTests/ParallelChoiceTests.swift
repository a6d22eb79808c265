// SPDX-License-Identifier: Apache-2.0
import Families
import Generation
import Testing
import TrimLLaVA
import Weights

@testable import Captioning

@Suite struct ParallelChoiceTests {
    @Test func numbersBelowATileAreNotMeasured() {
        #expect(ParallelChoice.measured(upTo: 1) == [1])
        #expect(ParallelChoice.measured(upTo: 5) == [5])
        #expect(ParallelChoice.measured(upTo: 6) == [6])
        #expect(ParallelChoice.measured(upTo: 17) == [6, 12])
        #expect(ParallelChoice.measured(upTo: 200) == [6, 12, 18, 24])
    }

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

    /// Where the system refuses the memory for a number of captions, `auto` tries fewer.
    @Test func fewerAreTriedWhereMemoryIsShort() throws {
        let shortage = LLaVAError.generation(
            .model(.cacheTooLarge(rows: 9, bytesPerRow: 9)))
        var tried: [Int] = []
        func make(_ count: Int, most: Int) throws(LLaVAError) -> String {
            tried.append(count)
            guard count <= most else { throw shortage }
            return "\(count)"
        }
        let granted = try ParallelChoice.automatic.granted(24) {
            (count: Int) throws(LLaVAError) -> String in try make(count, most: 5)
        }
        #expect(granted == (4, "4") && tried == [24, 18, 12, 6, 4])
        // Not even one fits; and a number that the user chose is not changed.
        for (choice, most) in [(ParallelChoice.automatic, 0), (.count(8), 5)] {
            #expect(throws: CaptioningError.model(shortage)) {
                try choice.granted(8) { (count: Int) throws(LLaVAError) -> String in
                    try make(count, most: most)
                }
            }
        }
        // Other errors stay.
        #expect(throws: CaptioningError.model(.other("no"))) {
            try ParallelChoice.automatic.granted(8) { (_: Int) throws(LLaVAError) -> String in
                throw LLaVAError.other("no")
            }
        }
    }

    @Test func textsAreRead() {
        #expect(ParallelChoice(parsing: "auto") == .automatic)
        #expect(ParallelChoice(parsing: "12") == .count(12))
        for text in ["0", "-1", "", "all", "1.5"] { #expect(ParallelChoice(parsing: text) == nil) }
    }
}
