// SPDX-License-Identifier: Apache-2.0
import Evaluation
import Generation
import Pictures
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
        let setting: EvaluationSetting
        /// The limits under which all pictures are as small as the setting asks; nil for whole pictures, and where each
        /// needs limits of its own.
        let limits: VisionLimits?
        /// What makes tiles of each picture.
        fileprivate let encoders: [any PictureEncoder]
        var statistics: [GenerationStatistics] = []
        var peakBytes: [Int] = []
    }

    /// Measures the settings in turn, so that a drifting clock rate affects all alike.
    func run(
        _ settings: [EvaluationSetting], repetitions: Int, onProgress: (String) -> Void
    ) throws -> [Result] {
        var results = distinct(try settings.compactMap(prepared))
        for index in results.indices {
            onProgress("warming up \(index + 1) of \(results.count)")
            _ = try answer(results[index])
        }
        for repetition in 0..<repetitions {
            for index in results.indices {
                onProgress(
                    "run \(repetition + 1) of \(repetitions), setting \(index + 1) of "
                        + "\(results.count)")
                SystemLoad.resetPeakMemory()
                results[index].statistics.append(try answer(results[index]))
                if let peak = SystemLoad.peakMemory() { results[index].peakBytes.append(peak) }
            }
        }
        return results
    }

    /// The settings without budgets that come down to one tile.
    private func distinct(_ results: [Result]) -> [Result] {
        func plans(_ result: Result) -> [PicturePlan] {
            zip(pictures, result.encoders).map { $1.plan($0.size) }
        }
        guard let oneTile = results.first(where: { $0.setting.reduction == .oneTile }).map(plans)
        else { return results }
        return results.filter {
            $0.setting.reduction == nil || $0.setting.reduction == .oneTile
                || plans($0) != oneTile
        }
    }

    /// A setting before its first answer; nil for one that makes no picture smaller than it is.
    private func prepared(_ setting: EvaluationSetting) throws -> Result? {
        let encoder = try llava.model.pictureEncoder(crop: false, pictures: pictures.count)
        guard let reduction = setting.reduction else {
            return Result(
                setting: setting, limits: nil, encoders: pictures.map { _ in encoder })
        }
        let limited = pictures.map { reduction.limited(encoder, for: $0.size) }
        let isSmaller = zip(pictures, limited).contains { picture, limited in
            limited.map { $0.encoder.plan(picture.size) != encoder.plan(picture.size) } ?? false
        }
        guard isSmaller else { return nil }
        let limits = limited.compactMap { $0?.limits }
        return Result(
            setting: setting, limits: limits.allSatisfy { $0 == limits[0] } ? limits[0] : nil,
            encoders: limited.map { $0?.encoder ?? encoder })
    }

    /// Answers on an engine that has not answered anything: nothing is shared, and the KV cache takes no memory yet.
    private func answer(_ result: Result) throws -> GenerationStatistics {
        let written = try WrittenPrompt(
            question, pictures: pictures.count, by: llava.prompts(template, system: nil),
            llava.tokenizer)
        let request = written.request(
            about: try zip(pictures, result.encoders).map {
                try PictureSource.picture($0).engineInput($1)
            },
            options: GenerationOptions(
                maxNewTokens: maxTokens, ignoresEndOfSequence: true,
                pruning: result.setting.pruning))
        let engine = try llava.engine(
            Engine.Options(
                parallel: 1, cacheRows: llava.context, cacheFormat: llava.cacheFormat,
                pictureCacheBytes: 0))
        // The next engine's memory is counted without this one's.
        defer { engine.close() }
        return try engine.answer(request).statistics
    }
}
