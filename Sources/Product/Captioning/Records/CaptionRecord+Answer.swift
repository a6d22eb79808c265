// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

extension CaptionRecord {
    /// Sets the fields of prompt, model and settings.
    mutating func describe(_ job: RecordIdentity, prompt position: Int) {
        prompt = job.prompts[position]
        promptSha256 = job.promptHashes[position]
        model = job.model
        settings = job.settings
    }

    /// Sets the fields of the picture and of the answer's cost.
    ///
    /// - Parameter encodingSeconds: the seconds of vision tower and projector if several prompts share them.
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
