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
    mutating func describe(_ picture: LoadedPicture?, _ answer: Answer) {
        if let picture {
            fileSize = picture.version.size
            fileModifiedNs = picture.version.modified
            width = picture.pixels.width
            height = picture.pixels.height
            pictureSeconds = OutputSchema.seconds(picture.decodingSeconds + picture.tilingSeconds)
        }
        stopReason = answer.stopReason.rawValue
        let statistics = answer.statistics
        let seen = answer.selections.first?.seenSize
        (seenWidth, seenHeight) = (seen?.width, seen?.height)
        visualTokens = statistics.unprunedVisualRows
        keptTokens = statistics.visualRows
        promptTokens = statistics.promptRows
        generatedTokens = statistics.generatedTokens
        // Prompts about the same picture share what encoding it took.
        visionSeconds = OutputSchema.seconds(
            statistics.visionSeconds + statistics.projectionSeconds
                + statistics.earlierEncodingSeconds)
        selectSeconds = OutputSchema.seconds(statistics.selectionSeconds)
        prefillSeconds = OutputSchema.seconds(statistics.prefillSeconds)
        decodeSeconds = OutputSchema.seconds(statistics.decodeSeconds)
    }
}
