// SPDX-License-Identifier: Apache-2.0
import Captioning
import Testing
import TrimLLaVA
import UserText

@testable import TrimLLaVACommandLine

@Suite struct CaptionReportTests {
    private var statistics: JobStatistics {
        var statistics = JobStatistics()
        (statistics.pictures, statistics.captioned, statistics.failed) = (1000, 240, 10)
        (statistics.captions, statistics.generatedTokens) = (480, 30_720)
        (statistics.visualTokens, statistics.keptTokens) = (480 * 576, 480 * 64)
        (statistics.seconds, statistics.parallel) = (1200, 12)
        (statistics.visionSeconds, statistics.decoderSeconds) = (200, 990.5)
        statistics.cacheBytes = 512 << 20
        return statistics
    }

    @Test func aLineSaysHowFarItIs() {
        #expect(
            CaptionReport.progress(statistics) == """
                250/1000 pictures, 12.0 pictures/min, 25.6 tokens/s, kept 64 of 576 visual tokens, \
                10 failed, 1 h 00 min left
                """)
        #expect(
            CaptionReport.progress(JobStatistics())
                == "0/0 pictures, 0.0 pictures/min, 0.0 tokens/s")
    }

    /// Parts that do not fit are left out, the least important first.
    @Test(arguments: [
        (200, 109), (109, 109), (108, 79), (79, 79), (78, 64), (63, 45), (45, 45), (44, 34),
        (33, 17), (1, 17),
    ])
    func aLineFitsTheTerminal(columns: Int, length: Int) {
        let line = CaptionReport.progress(statistics, columns: columns)
        #expect(line.count == length, "\(line)")
        #expect(line.hasPrefix("250/1000 pictures"))
        if columns >= 45 { #expect(line.hasSuffix("10 failed, 1 h 00 min left")) }
    }

    @Test func captionsThatAreCutAreCounted() {
        var statistics = statistics
        statistics.endedByLength = 3
        #expect(
            CaptionReport.summary(statistics).hasPrefix(
                "pictures: 240 captioned, 10 failed, 3 of 480 captions cut by length, in 20 min"))
        #expect(CaptionSummary(statistics).endedByLength == 3)
    }

    @Test func aSummarySaysWhereTheTimeWent() {
        #expect(
            CaptionReport.summary(statistics) == """
                pictures: 240 captioned, 10 failed in 20 min 00 s: 12.0 pictures/min, 25.6 tokens/s with \
                12 in parallel; kept 64 of 576 visual tokens
                vision 3 min 20 s, decoder 16 min 30 s, waiting for pictures 0.0 s; KV cache at most \
                512.00 MiB
                """)
        #expect(CaptionReport.summary(JobStatistics()) == "pictures: 0 captioned")
    }

    @Test func captionsOfOtherVersionsAreCounted() {
        #expect(CaptionReport.otherVersions(0) == nil)
        #expect(
            CaptionReport.otherVersions(1) == """
                records: 1 caption comes from another version of TrimLLaVA than \(Release.version); kept
                """)
    }

    @Test(arguments: [
        (0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"),
        (3600, "1 h 00 min"), (90061, "25 h 01 min"),
    ])
    func timesAreForPeople(seconds: Double, text: String) {
        #expect(CaptionReport.duration(seconds) == text)
    }

    @Test func argumentsThatAreNoTextGoToTheInputsOnly() throws {
        let arguments: [[UInt8]] = [[0x61], [0xFF], [0x61, 0xFE], [0xFE]]
        let names = arguments.dropFirst().map { String(decoding: $0, as: UTF8.self) }
        let paths = try RawArguments.paths(of: ["a"] + names, arguments: arguments)
        #expect(paths.map(\.bytes) == arguments)
        #expect(throws: UserTextError.notUTF8(place: "argument 4", offset: 0)) {
            try RawArguments.paths(of: ["a", names[0], names[1]], arguments: arguments)
        }
    }
}
