// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import WorkerPool

@Suite struct PhysicalCoresTests {
    @Test func countIsPositiveAndWithinTheMachine() {
        let count = PhysicalCores.count()
        #expect(count >= 1)
        #expect(count <= ProcessInfo.processInfo.processorCount)
    }

    #if os(Linux)
        @Test func affinityListsAreRead() {
            #expect(PhysicalCores.processors(inList: "\t0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11])
            #expect(PhysicalCores.processors(inList: "5") == [5])
            #expect(PhysicalCores.processors(inList: "").isEmpty)
        }
    #endif
}
