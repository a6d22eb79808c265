// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

extension CaptionRecord {
    /// Says which prompt, model and settings the record is about.
    mutating func describe(_ job: RecordIdentity, prompt position: Int) {
        prompt = job.prompts[position]
        promptSha256 = job.promptHashes[position]
        model = job.model
        settings = job.settings
    }

    /// Says which picture was read, and what the answer cost.
    ///
    /// - Parameter encodingSeconds: what vision tower and projector took, where several prompts share it.
    mutating func describe(
        _ content: LoadedPicture.Content, _ answer: Answer, encodingSeconds: Double?
    ) {
        fileSize = content.version.size
        fileModifiedNs = content.version.modified
        width = content.pixels.width
        height = content.pixels.height
        stopReason = answer.stopReason.rawValue
        let statistics = answer.statistics
        visualTokens = statistics.unprunedVisualRows
        keptTokens = statistics.visualRows
        promptTokens = statistics.promptRows
        generatedTokens = statistics.generatedTokens
        pictureSeconds = OutputSchema.seconds(content.decodingSeconds + content.tilingSeconds)
        visionSeconds = OutputSchema.seconds(
            encodingSeconds ?? statistics.visionSeconds + statistics.projectionSeconds)
        selectSeconds = OutputSchema.seconds(statistics.selectionSeconds)
        prefillSeconds = OutputSchema.seconds(statistics.prefillSeconds)
        decodeSeconds = OutputSchema.seconds(statistics.decodeSeconds)
    }
}
