// SPDX-License-Identifier: Apache-2.0
import Generation
import Pictures
import TrimLLaVA

/// Generates the captions of many pictures, many at a time, and writes each as soon as it is finished.
///
/// A caption is bit for bit the model's answer about the picture alone.
public final class CaptionJob {
    private let llava: LLaVA
    private let questions: [WrittenPrompt]
    private let options: JobOptions
    private let plan: JobPlan
    private let control: JobControl
    private let onProgress: (JobStatistics) -> Void
    private let loader: PictureLoader

    private var results: JobResults
    /// Captions of the last picture that were not asked for yet, the next one last.
    private var waiting: [Caption] = []
    private var taskCount = 0

    /// The job's progress.
    public var statistics: JobStatistics { results.statistics }

    /// A job that has not started.
    ///
    /// - Parameters:
    ///   - questions: the prompts of `identity`, formatted for the model.
    ///   - statistics: the initial statistics; nil for those of the plan.
    ///   - onProgress: called after every caption, and several times a second.
    ///   - onFailure: called with a message for each picture that fails.
    /// - Throws: `CaptioningError.model` for a model that reads text alone.
    package init(
        _ plan: JobPlan, _ llava: LLaVA, _ questions: [WrittenPrompt],
        identity: RecordIdentity, options: JobOptions, output: CaptionOutput,
        statistics: JobStatistics? = nil, control: JobControl = JobControl(),
        onProgress: @escaping (JobStatistics) -> Void = { _ in },
        onFailure: @escaping (String) -> Void = { _ in }
    ) throws(CaptioningError) {
        precondition(questions.count == identity.prompts.count)
        self.plan = plan
        self.llava = llava
        self.questions = questions
        self.options = options
        self.control = control
        self.onProgress = onProgress
        do {
            loader = PictureLoader(
                encoder: try llava.model.pictureEncoder(crop: options.crops),
                orients: options.orients)
        } catch {
            throw .model(.model(error))
        }
        results = JobResults(
            plan, identity, options, output, statistics ?? JobStatistics(plan),
            onFailure: onFailure)
    }

    /// Runs the job until it is done or `control` ends it.
    ///
    /// - Throws: `CaptioningError`; records that are written by then stay.
    public func run() throws(CaptioningError) {
        try results.addFailuresOfPlan()
        guard !plan.tasks.isEmpty, let answers = try answers() else { return }
        let start = ContinuousClock.now
        func report() {
            results.statistics.add(
                answers.status, seconds: (ContinuousClock.now - start) / .seconds(1))
        }
        try answers.run(
            isFinishing: { control.isFinishing }, cancellation: control.cancellation,
            next: { () throws(CaptioningError) -> (Caption, Engine.Request)? in nextRequest() },
            onOutcome: { (caption: Caption, outcome: AnswerQueue.Outcome) throws(CaptioningError) in
                try take(caption, outcome)
            },
            onProgress: {
                report()
                onProgress(statistics)
            })
        try results.finish()
        report()
    }

    /// The engine, with room for as many captions at the same time as is fastest and memory allows; nil if the
    /// job is cancelled meanwhile.
    private func answers() throws(CaptioningError) -> AnswerQueue? {
        let rows =
            questions.map { $0.mostRows(in: llava.model, options: options.generation) }
            .max() ?? 0
        let memory = JobMemory()
        let start = ContinuousClock.now
        do {
            let parallel = try options.parallel.resolve(
                llava, captions: plan.captionCount, rows: rows, memory: memory,
                cancellation: control.cancellation)
            results.statistics.measuringSeconds = (ContinuousClock.now - start) / .seconds(1)
            let (granted, answers) = try options.parallel.granted(parallel) {
                (count: Int) throws(LLaVAError) -> AnswerQueue in
                try llava.answers(
                    parallel: count,
                    cacheRows: memory.cacheRows(parallel: count, rows: rows, llava),
                    sharedPictures: questions.count > 1 ? 1 : 0,
                    encodingThreads: options.encodingThreads)
            }
            results.statistics.parallel = granted
            return answers
        } catch .model(.generation(.model(.cancelled))) {
            return nil
        }
    }

    /// The request for the next caption; nil when there are no more.
    private func nextRequest() -> (Caption, Engine.Request)? {
        if waiting.isEmpty, taskCount < plan.tasks.count {
            let task = plan.tasks[taskCount]
            let picture = JobPicture(
                task: taskCount, task.picture, prompts: task.prompts.count)
            waiting = task.prompts.reversed().map { Caption(picture: picture, prompt: $0) }
            taskCount += 1
        }
        guard let caption = waiting.popLast() else { return nil }
        let request = questions[caption.prompt].request(
            about: [caption.picture.input(loader)], options: options.generation)
        return (caption, request)
    }

    private func take(
        _ caption: Caption, _ outcome: AnswerQueue.Outcome
    ) throws(CaptioningError) {
        switch outcome {
        case .success(let answer): try results.add(caption, answer)
        case .failure(let error): try results.add(caption, error)
        }
    }
}
