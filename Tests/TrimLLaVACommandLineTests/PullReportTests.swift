// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import ModelStore
@testable import TrimLLaVACommandLine

@Suite struct PullReportTests {
    private let file = PulledFile(path: "a.gguf", size: 4_000_000_000, number: 2, count: 2)

    private func lines(_ steps: [PullProgress], quiet: Bool = false) -> [String] {
        let said = Mutex<[String]>([])
        let report = PullReport(quiet: quiet, showsBar: false) { line in
            said.withLock { $0.append(line) }
        }
        for step in steps { report.show(step) }
        report.finish()
        return said.withLock { $0 }
    }

    @Test func withoutATerminalEveryTenthIsALine() {
        let steps = (0...1000).map { PullProgress.downloading(file, done: 4_000_000 * $0) }
        let said = lines(steps + [.finished(file, isNew: true)])
        #expect(said.count == 12)
        #expect(said[0] == "a.gguf (2 of 2): 0 % of 3.73 GiB")
        #expect(said[10] == "a.gguf (2 of 2): 100 % of 3.73 GiB")
        #expect(said[11] == "a.gguf (2 of 2): downloaded and checked, 3.73 GiB")
        #expect(lines(steps, quiet: true).isEmpty)
    }

    @Test func waitingIsSaidOnce() {
        #expect(lines([.waiting(file), .waiting(file), .waiting(file)]).count == 1)
        let said = lines([
            .retrying(file, reason: "the connection was closed", seconds: 2),
            .retrying(file, reason: "the connection was closed", seconds: 2),
        ])
        #expect(
            said
                == Array(
                    repeating: "a.gguf: the connection was closed; trying again in 2 s", count: 2))
    }

    @Test func theBarShowsRateAndTime() {
        #expect(
            TransferLine.text(file, done: 1_000_000_000, bytesPerSecond: 50 * 1_048_576)
                == "[#####...............] 25 %  953.67 MiB of 3.73 GiB  50.00 MiB/s  58 s left  a.gguf (2 of 2)"
        )
        #expect(
            TransferLine.text(file, done: 0, bytesPerSecond: nil)
                == "[....................] 0 %  0 bytes of 3.73 GiB  a.gguf (2 of 2)")
        let hostile = PulledFile(path: "a\u{1B}[2J", size: 0, number: 1, count: 1)
        #expect(!TransferLine.text(hostile, done: 0, bytesPerSecond: nil).contains("\u{1B}"))
    }

    @Test(arguments: [
        (0.2, "1 s"), (59, "59 s"), (60, "1:00 min"), (3599, "59:59 min"), (7500, "2:05 h"),
    ])
    func timesAreShort(seconds: Double, text: String) {
        #expect(TransferLine.time(seconds) == text)
    }

    @Test func theRateFollowsTheLastSeconds() throws {
        var rate = TransferRate()
        let start = ContinuousClock.now
        for second in 0...30 {
            let bytes = second <= 10 ? second * 100 : 1000 + (second - 10) * 500
            rate.add(bytes, of: "a", at: start + .seconds(second))
        }
        let found = try #require(rate.bytesPerSecond)
        #expect(abs(found - 500) < 1)
        // Another file, or one that begins again, has its own rate.
        rate.add(5, of: "b", at: start + .seconds(31))
        #expect(rate.bytesPerSecond == nil)
    }
}
