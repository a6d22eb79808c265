// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import Pictures
import TokenPruning
import Tokenization
import TrimLLaVA
import Weights

/// Asks a model every question at every setting.
///
/// A picture is encoded once for all of its questions and settings.
public final class Evaluation {
    /// How answers are generated.
    public struct Options: Sendable {
        /// The most tokens of an answer.
        public var maxNewTokens: Int
        /// How tokens are chosen.
        public var sampling: SamplingOptions
        /// The prompt template; nil for the one that the model asks for.
        public var template: ChatTemplate?
        /// The system prompt; nil for the template's own.
        public var system: String?
        /// Text after every question, such as "Answer with one word".
        public var suffix: String
        /// The most answers at the same time.
        public var parallel: Int
        /// Other conditions that answers depend on, such as the model.
        ///
        /// An earlier answer counts only if they are equal.
        public var conditions: [String]

        /// Greedy answers of up to 64 tokens, twelve at a time.
        public init(
            maxNewTokens: Int = 64, sampling: SamplingOptions = SamplingOptions(),
            template: ChatTemplate? = nil, system: String? = nil, suffix: String = "",
            parallel: Int = 12, conditions: [String] = []
        ) {
            self.maxNewTokens = maxNewTokens
            self.sampling = sampling
            self.template = template
            self.system = system
            self.suffix = suffix
            self.parallel = parallel
            self.conditions = conditions
        }

        /// Everything that an answer depends on besides question and setting.
        fileprivate var settings: [String] {
            conditions + [
                "tokens \(maxNewTokens)", "\(sampling)",
                "template \(template.map { "\($0)" } ?? "-")",
                "system \(system.map { "=\($0)" } ?? "-")", "suffix \(suffix)",
            ]
        }
    }

    /// The rows of the KV cache per answer: an unpruned picture, a question and an answer.
    ///
    /// Larger ones wait for pages.
    private static let rowsPerAnswer = 1024

    private struct Job {
        let question: EvaluationQuestion
        let setting: EvaluationSetting
        let identity: Identity
    }

    /// Identifies a question at a setting, including what it asks, so an edited question counts as another.
    private struct Identity: Hashable {
        let id: String
        let setting: String
        let key: AnswerKey
    }

    private let llava: LLaVA
    private let allJobs: [Job]
    private let options: Options
    private let prompts: PromptBuilder
    private let answers: AnswerQueue
    /// What the settings' selectors look at.
    private let needs: Set<SelectionNeed>
    private let file: AnswerFile?
    /// The failures of earlier runs, which are not recorded again if they repeat.
    private let knownFailures: Set<EvaluationRecord>

    /// The answers so far, those of earlier runs first, and the failures of this run.
    public private(set) var records: [EvaluationRecord]

    /// An evaluation that saves its answers in `file`, if there is one.
    ///
    /// - Throws: `LLaVAError` if the model has no template or there is not enough memory.
    public init(
        _ llava: LLaVA, _ questions: [EvaluationQuestion], _ settings: [EvaluationSetting],
        options: Options, file: AnswerFile? = nil
    ) throws(LLaVAError) {
        self.llava = llava
        self.options = options
        self.file = file
        knownFailures = Set((file?.before ?? []).filter { $0.text == nil })
        allJobs = Self.jobs(questions, settings, options)
        records = Self.answers(in: file?.before ?? [], to: allJobs)
        prompts = try llava.prompts(options.template, system: options.system)
        do {
            needs = try EvaluationSetting.needs(of: settings)
            answers = try llava.answers(
                parallel: options.parallel,
                cacheRows: max(llava.model.context, options.parallel * Self.rowsPerAnswer),
                sharedPictures: questions.map(\.pictures.count).max() ?? 0)
        } catch {
            throw LLaVAError(error)
        }
    }

    /// Asks the questions that have no answer yet.
    ///
    /// - Parameter onProgress: called with the number of answers so far and of all.
    /// - Throws: `EvaluationError` if answers cannot be saved, `LLaVAError` on cancellation. A question that cannot
    ///   be answered is recorded with its error.
    public func run(
        cancellation: Cancellation = Cancellation(),
        onProgress: (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) throws {
        let answered = Set(records.compactMap(Self.identity))
        var left = allJobs.filter { !answered.contains($0.identity) }[...]
        let all = allJobs.count
        onProgress(records.count, all)
        try answers.run(
            cancellation: cancellation,
            next: { () throws(EvaluationError) -> (Job, Engine.Request)? in
                while let job = left.popFirst() {
                    if let request = try request(job) { return (job, request) }
                }
                return nil
            },
            onOutcome: { (job: Job, outcome: AnswerQueue.Outcome) throws(EvaluationError) in
                switch outcome {
                case .success(let answer): try record(job, answer, nil)
                case .failure(let error): try record(job, nil, "\(error)")
                }
            }, onProgress: { onProgress(records.count, all) })
        if cancellation.isCancelled { throw LLaVAError.generation(.model(.cancelled)) }
    }

    private static func jobs(
        _ questions: [EvaluationQuestion], _ settings: [EvaluationSetting], _ options: Options
    ) -> [Job] {
        questions.flatMap { question in
            let pictures = question.pictures.map { AnswerKey.PictureFile($0) }
            return settings.map { setting in
                Job(
                    question: question, setting: setting,
                    identity: Identity(
                        id: question.id, setting: setting.name,
                        key: AnswerKey(
                            question, pictures, settings: options.settings + [setting.condition])))
            }
        }
    }

    /// The earlier answers that count for the jobs, each once.
    ///
    /// Failed questions are asked again.
    private static func answers(
        in records: [EvaluationRecord], to jobs: [Job]
    ) -> [EvaluationRecord] {
        var open = Set(jobs.map(\.identity))
        return records.filter { record in
            record.text != nil && identity(record).map { open.remove($0) != nil } == true
        }
    }

    private static func identity(_ record: EvaluationRecord) -> Identity? {
        record.key.map { Identity(id: record.id, setting: record.setting, key: $0) }
    }

    /// The request for an answer; nil if it cannot be asked for, which is recorded.
    private func request(_ job: Job) throws(EvaluationError) -> Engine.Request? {
        let pictures = job.question.pictures
        do throws(TokenizationError) {
            let written = try WrittenPrompt(
                job.question.question,
                suffix: job.question.suffix + (options.suffix.isEmpty ? "" : "\n" + options.suffix),
                pictures: pictures.count, by: prompts, llava.tokenizer)
            var request = written.request(
                about: zip(pictures, job.identity.key.pictures).map {
                    picture($0, $1, job.setting.reduction, among: pictures.count)
                },
                options: GenerationOptions(
                    maxNewTokens: options.maxNewTokens, sampling: options.sampling,
                    pruning: job.setting.pruning))
            request.pictureNeeds = needs
            return request
        } catch {
            try record(job, nil, "\(error)")
            return nil
        }
    }

    /// A picture, which is decoded and encoded once for neighbouring questions and settings that see as much of it.
    ///
    /// - Parameters:
    ///   - reduction: how much smaller it becomes, if the model can see less of it.
    ///   - count: pictures of the question.
    private func picture(
        _ picture: EvaluationPicture, _ file: AnswerKey.PictureFile,
        _ reduction: PictureReduction?, among count: Int
    ) -> Engine.Picture {
        let model = llava.model
        let identity = "\(file) \(count > 1) \(reduction.map { "\($0)" } ?? "whole")"
        return Engine.Picture(
            key: PictureKey(digest: ContentHash.bytes(of: Array(identity.utf8)))
        ) { () throws(GenerationError) in
            let encoder: any PictureEncoder
            do throws(ModelError) {
                encoder = try model.pictureEncoder(crop: false, pictures: count)
            } catch {
                throw .model(error)
            }
            return try pictured { () throws(ImagingError) in
                let picture = try picture.decoded(encoder.transparency)
                let limited = reduction?.limited(encoder, for: picture.size)
                return try (limited?.encoder ?? encoder).tiles(of: picture)
            }
        }
    }

    private func record(
        _ job: Job, _ answer: Answer?, _ error: String?
    ) throws(EvaluationError) {
        let record = EvaluationRecord(
            id: job.question.id, setting: job.setting.name, text: answer?.text, error: error,
            visualTokens: answer?.statistics.unprunedVisualRows ?? 0,
            keptTokens: answer?.statistics.visualRows ?? 0, key: job.identity.key)
        if !knownFailures.contains(record) { try file?.append(record) }
        records.append(record)
    }
}
