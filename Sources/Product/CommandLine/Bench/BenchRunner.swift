// SPDX-License-Identifier: Apache-2.0
import Generation
import TrimLLaVA

/// Answers one question at several settings and measures each.
struct BenchRunner {
    let llava: LLaVA
    let pictures: [Picture]
    let question: String
    let template: ChatTemplate?
    let maxTokens: Int

    /// One setting's answers.
    struct Result {
        /// The pruning; nil for the unpruned model.
        let pruning: PruningOptions?
        var statistics: [GenerationStatistics] = []
        var peakBytes: [Int] = []
    }

    /// Measures the settings in turn, so that a drifting clock rate affects all alike.
    func run(
        _ settings: [PruningOptions?], repetitions: Int, onProgress: (String) -> Void
    ) throws -> [Result] {
        var results = settings.map { Result(pruning: $0) }
        for index in results.indices {
            onProgress("warming up \(index + 1) of \(results.count)")
            _ = try answer(results[index].pruning)
        }
        for repetition in 0..<repetitions {
            for index in results.indices {
                onProgress(
                    "run \(repetition + 1) of \(repetitions), setting \(index + 1) of "
                        + "\(results.count)")
                SystemLoad.resetPeakMemory()
                results[index].statistics.append(try answer(results[index].pruning))
                if let peak = SystemLoad.peakMemory() { results[index].peakBytes.append(peak) }
            }
        }
        return results
    }

    /// Answers on an engine that has not answered anything: nothing is shared, and the KV cache takes no memory yet.
    private func answer(_ pruning: PruningOptions?) throws -> GenerationStatistics {
        let written = try WrittenPrompt(
            question, pictures: pictures.count, by: llava.prompts(template, system: nil),
            llava.tokenizer)
        let encoder = try llava.model.pictureEncoder
        let request = written.request(
            about: try pictures.map { try PictureSource.picture($0).engineInput(encoder) },
            options: GenerationOptions(
                maxNewTokens: maxTokens, ignoresEndOfSequence: true, pruning: pruning))
        let engine = try llava.engine(
            Engine.Options(
                parallel: 1, cacheRows: llava.context, cacheFormat: llava.cacheFormat,
                pictureCacheBytes: 0))
        // The next engine's memory is counted without this one's.
        defer { engine.close() }
        return try engine.answer(request).statistics
    }
}
