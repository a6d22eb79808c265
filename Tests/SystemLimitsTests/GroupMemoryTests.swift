// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import SystemLimits

/// What a control group's memory is given to.
@Suite struct GroupMemoryTests {
    private static let mebibyte = 1 << 20
    /// The reserve and four mebibytes more.
    private static let room = GroupMemory.reserve + 4 * mebibyte

    private func piece(_ byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) -> Bool) -> Bool {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 7)
        return body(memory)
    }

    private func isGranted(_ byteCount: Int, by group: GroupMemory) -> Bool {
        piece(byteCount) { memory in
            memory.baseAddress.map { group.grants($0, byteCount: byteCount) } ?? false
        }
    }

    @Test func theReserveIsLeft() {
        let group = GroupMemory { Self.room }
        #expect(isGranted(4 * Self.mebibyte, by: group))
        #expect(!isGranted(4 * Self.mebibyte + 1, by: group))
        #expect(group.promise(4 * Self.mebibyte))
        #expect(!GroupMemory { Self.room }.promise(4 * Self.mebibyte + 1))
    }

    @Test func smallPiecesAreNotLookedAt() {
        let full = GroupMemory { 0 }
        #expect(isGranted(Self.mebibyte - 1, by: full))
        #expect(!isGranted(Self.mebibyte, by: full))
    }

    /// Promises count, those of no more bytes too, until they end.
    @Test func whatIsPromisedIsNotGrantedToOthers() {
        let group = GroupMemory { Self.room }
        #expect(group.promise(3 * Self.mebibyte))
        #expect(!isGranted(2 * Self.mebibyte, by: group))
        #expect(!group.promise(2 * Self.mebibyte))
        #expect(isGranted(Self.mebibyte, by: group))
        group.endPromise(2 * Self.mebibyte)
        #expect(group.promise(2 * Self.mebibyte))
        group.endPromise(3 * Self.mebibyte)
        #expect(isGranted(4 * Self.mebibyte, by: group))
    }

    /// Every page of a granted piece is written to, so that the group counts it; no page of one that is refused.
    @Test(arguments: [(4, true), (5, false)])
    func pagesAreTouched(mebibytes: Int, isTouched: Bool) {
        let group = GroupMemory { Self.room }
        let byteCount = mebibytes * Self.mebibyte
        let touched = piece(byteCount) { memory in
            let isGranted = memory.baseAddress.map { group.grants($0, byteCount: byteCount) }
            #expect(isGranted == isTouched)
            let firsts = stride(from: 0, to: byteCount, by: 4096).map { memory[$0] }
            return firsts.allSatisfy { $0 == 0 }
        }
        #expect(touched == isTouched)
    }

    @Test func withoutALimitEverythingIsGrantedAndNothingWritten() {
        let group = GroupMemory { nil }
        #expect(group.promise(1 << 50))
        #expect(
            piece(2 * Self.mebibyte) { memory in
                memory.baseAddress.map { group.grants($0, byteCount: memory.count) } == true
                    && memory.allSatisfy { $0 == 7 }
            })
    }

    /// A group that has room again after the C library has given back what was freed.
    @Test func freedMemoryIsGivenBackBeforeAPromiseIsRefused() {
        let calls = Mutex(0)
        let group = GroupMemory {
            calls.withLock { calls in
                calls += 1
                return calls == 1 ? 0 : Self.room
            }
        }
        #expect(group.promise(Self.mebibyte))
    }
}
