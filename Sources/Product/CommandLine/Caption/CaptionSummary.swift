// SPDX-License-Identifier: Apache-2.0
import Captioning
import FileOutput
import Foundation
import TrimLLaVA

/// A job's results and costs, for scripts.
struct CaptionSummary: Encodable {
    let pictures: Int
    let captioned: Int
    let failed: Int
    let finishedBefore: Int
    let skipped: Int
    let duplicates: Int
    let captions: Int
    let endedByLength: Int
    let generatedTokens: Int
    let visualTokens: Int
    let keptTokens: Int
    let parallel: Int
    let seconds: Double
    let measuringSeconds: Double
    /// Seconds of vision tower, projector and selection.
    let encodingSeconds: Double
    let decoderSeconds: Double
    let waitingSeconds: Double
    let picturesPerMinute: Double
    let tokensPerSecond: Double
    let cacheBytes: Int
    /// The peak of physical memory; nil where the system does not report it.
    let peakMemoryBytes: Int?

    init(_ statistics: JobStatistics) {
        pictures = statistics.pictures
        captioned = statistics.captioned
        failed = statistics.failed
        finishedBefore = statistics.finishedBefore
        skipped = statistics.skipped
        duplicates = statistics.duplicates
        captions = statistics.captions
        endedByLength = statistics.endedByLength
        generatedTokens = statistics.generatedTokens
        visualTokens = statistics.visualTokens
        keptTokens = statistics.keptTokens
        parallel = statistics.parallel
        seconds = Self.rounded(statistics.seconds)
        measuringSeconds = Self.rounded(statistics.measuringSeconds)
        encodingSeconds = Self.rounded(statistics.visionSeconds)
        decoderSeconds = Self.rounded(statistics.decoderSeconds)
        waitingSeconds = Self.rounded(statistics.waitingSeconds)
        picturesPerMinute = Self.rounded(statistics.picturesPerMinute)
        tokensPerSecond = Self.rounded(statistics.tokensPerSecond)
        cacheBytes = statistics.cacheBytes
        peakMemoryBytes = SystemLoad.peakMemory()
    }

    /// Writes one line of JSON.
    func write(to path: String) throws {
        try OutputFile.write(jsonOutput(self).utf8, to: FilePath(path), makesFolders: true)
    }

    private static func rounded(_ number: Double) -> Double { (number * 1000).rounded() / 1000 }
}
