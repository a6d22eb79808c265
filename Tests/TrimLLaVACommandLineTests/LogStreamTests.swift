// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import TrimLLaVACommandLine

/// Logs that cannot be written hold up nobody.
@Suite struct LogStreamTests {
    /// Plenty of time for a busy machine; nothing waits for it to pass.
    private static let patience = 120.0

    @Test func aFullDiskCostsLinesAndIsTold() throws {
        let folder = try TemporaryFolder()
        let descriptor = open("/dev/full", O_WRONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let log = LogStream(descriptor: descriptor)
        for number in 0..<3 { log.write("line \(number)\n") }
        log.finish(within: Self.patience)
        // The disk has room again.
        let file = open(folder.path + "/log", O_WRONLY | O_CREAT, 0o600)
        try #require(dup2(file, descriptor) == descriptor)
        log.write("after\n")
        log.finish(within: Self.patience)
        close(file)
        let text = try String(contentsOfFile: folder.path + "/log", encoding: .utf8)
        #expect(text == "lines lost from this log: 3\nafter\n")
    }

    /// A disk takes half of a line before it is full.
    @Test func aTornLineIsEnded() {
        let written = Mutex<(text: [UInt8], room: Int)>(([], 8))
        let log = LogStream(descriptor: -1) { _, bytes, count in
            written.withLock { state in
                let taken = min(count, state.room)
                guard taken > 0 else {
                    errno = ENOSPC
                    return -1
                }
                state.text += UnsafeRawBufferPointer(start: bytes, count: taken)
                state.room -= taken
                return taken
            }
        }
        for line in ["one\n", "second\n", "third\n"] { log.write(line) }
        log.finish(within: Self.patience)
        written.withLock { $0.room = 1000 }
        log.finish(within: Self.patience)
        log.write("last\n")
        log.finish(within: Self.patience)
        let text = written.withLock { String(decoding: $0.text, as: UTF8.self) }
        #expect(text == "one\nseco\nlines lost from this log: 2\nlast\n")
    }

    @Test func aPipeThatNobodyReadsBlocksNobody() throws {
        let pipe = Pipe()
        let log = LogStream(descriptor: pipe.fileHandleForWriting.fileDescriptor, mostBytes: 1000)
        let line = String(repeating: "x", count: 99) + "\n"
        // Far more than the pipe and the waiting lines hold: these calls return all the same.
        for _ in 0..<5000 { log.write(line) }
        let reading = DispatchQueue(label: "reading")
        nonisolated(unsafe) var text = ""
        reading.async {
            text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }
        log.finish(within: Self.patience)
        log.write("last\n")
        log.finish(within: Self.patience)
        try pipe.fileHandleForWriting.close()
        reading.sync {}
        let lines = text.split(separator: "\n")
        let whole = lines.filter { $0.utf8.count == 99 }.count
        let lost = lines.compactMap { $0.wholeMatch(of: /lines lost from this log: (\d+)/)?.1 }
            .compactMap { Int($0) }.reduce(0, +)
        #expect(lines.last == "last")
        #expect(lost > 0 && whole + lost == 5000)
    }
}
