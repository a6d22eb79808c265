// SPDX-License-Identifier: Apache-2.0
import Generation
import Pictures
import TrimLLaVA

/// How a job generates captions.
public struct JobOptions: Sendable {
    /// How each caption is generated.
    public var generation: GenerationOptions
    /// Text before every caption.
    public var prefix = ""
    /// Text after every caption.
    public var suffix = ""
    /// How many captions are generated at the same time.
    public var parallel = ParallelChoice.automatic
    /// Extra threads that encode the next pictures while captions are generated.
    ///
    /// With 0, the same threads do both.
    public var encodingThreads = 0
    /// Whether to write records in the order of the pictures instead of as they are finished.
    public var isOrdered = false
    /// The most failures before the job stops; nil for no limit.
    public var maximumFailures: Int?
    /// Whether to crop pictures to their middle square for LLaVA-1.5.
    public var crops = false
    /// Whether to turn pictures as their EXIF orientation says.
    public var orients = true

    /// The default options.
    public init(generation: GenerationOptions = GenerationOptions()) {
        self.generation = generation
    }
}

/// Generates the captions of many pictures, many at a time, and writes each as soon as it is finished.
///
/// A caption is bit for bit the model's answer about the picture alone.
public final class CaptionJob {
    /// The loaded or encoded pictures that wait: enough that the decoder never waits, few enough for memory.
    private static let picturesAhead = 4

    private let llava: LLaVA
    private let questions: [PictureQuestion]
    private let identity: RecordIdentity
    private let options: JobOptions
    private let plan: JobPlan
    private let control: JobControl
    private let onProgress: (JobStatistics) -> Void
    private let onFailure: (String) -> Void

    private var queue: RecordQueue
    private var requests: [Int: PendingCaption] = [:]
    private var nextRequest = 0
    private var openPrompts: [Int: Int] = [:]
    /// The job's progress.
    public private(set) var statistics: JobStatistics

    /// A job that has not started.
    ///
    /// - Parameters:
    ///   - questions: the prompts of `identity`, formatted for the model.
    ///   - statistics: the initial statistics; nil for those of the plan.
    ///   - onProgress: called after every picture and every step of the decoder.
    ///   - onFailure: called with a message for each picture that fails.
    package init(
        _ plan: JobPlan, _ llava: LLaVA, _ questions: [PictureQuestion],
        identity: RecordIdentity, options: JobOptions, output: CaptionOutput,
        statistics: JobStatistics? = nil, control: JobControl = JobControl(),
        onProgress: @escaping (JobStatistics) -> Void = { _ in },
        onFailure: @escaping (String) -> Void = { _ in }
    ) {
        precondition(questions.count == identity.prompts.count)
        self.plan = plan
        self.llava = llava
        self.questions = questions
        self.identity = identity
        self.options = options
        self.control = control
        self.onProgress = onProgress
        self.onFailure = onFailure
        queue = RecordQueue(output, isOrdered: options.isOrdered)
        self.statistics = statistics ?? JobStatistics(plan)
    }

    /// Runs the job until it is done or `control` ends it.
    ///
    /// - Throws: `CaptioningError`; records that are written by then stay.
    public func run() throws(CaptioningError) {
        for failure in plan.failures { try fail(failure) }
        for failure in plan.sidecarFailures { try countFailure("\(failure)") }
        guard !plan.tasks.isEmpty else { return }
        let rows = questions.reduce(0) {
            max($0, $1.mostRows(in: llava.model, options: options.generation))
        }
        let generator: BatchGenerator
        do {
            generator = try self.generator(rows: rows)
        } catch .model(.generation(.model(.cancelled))) {
            return
        }
        let loader = AheadQueue(
            loading: plan.tasks.map(\.picture),
            encoder: llava.model.pictureEncoder(crop: options.crops),
            orients: options.orients, ahead: Self.picturesAhead)
        let pictures =
            options.encodingThreads == 0
            ? loader
            : AheadQueue(
                encoding: loader, llava, options, ahead: Self.picturesAhead,
                cancellation: control.cancellation)
        defer {
            loader.stop()
            pictures.stop()
        }
        let start = ContinuousClock.now
        do {
            try work(generator, pictures) {
                self.statistics.seconds = (ContinuousClock.now - start) / .seconds(1)
                self.statistics.cacheBytes = generator.pool.byteCount(
                    pages: generator.pool.usage.mostTaken)
                self.onProgress(self.statistics)
            }
        } catch .model(.generation(.model(.cancelled))) {
            try countSidecarFailures(queue.flush())
        }
        statistics.seconds = (ContinuousClock.now - start) / .seconds(1)
    }

    private func generator(rows: Int) throws(CaptioningError) -> BatchGenerator {
        let memory = JobMemory()
        try measure(\.measuringSeconds) { () throws(CaptioningError) in
            statistics.parallel = try options.parallel.resolve(
                llava, captions: plan.captionCount, rows: rows, memory: memory,
                cancellation: control.cancellation)
        }
        do {
            return try llava.batch(
                parallel: statistics.parallel,
                cacheRows: memory.cacheRows(parallel: statistics.parallel, rows: rows, llava))
        } catch {
            throw .model(error)
        }
    }

    private func work(
        _ generator: BatchGenerator, _ pictures: AheadQueue<LoadedPicture>, onStep: () -> Void
    ) throws(CaptioningError) {
        var waiting: [PendingCaption] = []
        var isEnd = false
        while true {
            while generator.hasRoom, !control.isFinishing {
                if waiting.isEmpty, !isEnd {
                    isEnd = try !load(&waiting, waits: requests.isEmpty, pictures)
                }
                guard let next = waiting.popLast() else { break }
                try start(next, generator)
                onStep()
            }
            if requests.isEmpty, control.isFinishing || isEnd && waiting.isEmpty { break }
            if !requests.isEmpty { try step(generator) }
            onStep()
        }
    }

    /// Makes the next picture's captions pending, in reverse order of prompts; false when there are no more
    /// pictures.
    private func load(
        _ waiting: inout [PendingCaption], waits: Bool, _ pictures: AheadQueue<LoadedPicture>
    ) throws(CaptioningError) -> Bool {
        let next = measured(\.waitingSeconds) { pictures.next(waiting: waits) }
        switch next {
        case .end: return false
        case .notYet: return true
        case .element(let loaded):
            let task = plan.tasks[loaded.index]
            switch loaded.result {
            case .success(let content):
                openPrompts[loaded.index] = task.prompts.count
                let isShared = content.encoding != nil || task.prompts.count > 1
                let shared = isShared ? SharedEncoding(content.encoding) : nil
                waiting = task.prompts.reversed().map { prompt in
                    PendingCaption(
                        task: loaded.index, picture: task.picture, prompt: prompt,
                        content: content, encoding: shared)
                }
            case .failure(let error):
                try fail(
                    CaptionRecord(task.picture.path, error: error.reason), task.picture,
                    task: loaded.index, prompt: nil)
            }
            return true
        }
    }

    private func start(
        _ caption: PendingCaption, _ generator: BatchGenerator
    ) throws(CaptioningError) {
        let id = nextRequest
        nextRequest += 1
        requests[id] = caption
        try measure(\.visionSeconds) { () throws(CaptioningError) in
            do throws(GenerationError) {
                let request = try request(id, caption)
                try generator.start(request, cancellation: control.cancellation)
            } catch .model(.cancelled) {
                throw .model(.generation(.model(.cancelled)))
            } catch {
                requests[id] = nil
                try fail(caption, "\(error)")
            }
        }
    }

    /// The request for a caption.
    ///
    /// A picture with several prompts is encoded with the first of them.
    private func request(
        _ id: Int, _ caption: PendingCaption
    ) throws(GenerationError) -> BatchGenerator.Request {
        let question = questions[caption.prompt]
        guard let encoding = caption.encoding else {
            return question.request(
                id: id, about: caption.content.tiles, options: options.generation)
        }
        let picture: EncodedPicture
        if let encoded = encoding.picture {
            picture = encoded
        } else {
            let start = ContinuousClock.now
            picture = try llava.encode(
                caption.content.tiles, options: options.generation,
                cancellation: control.cancellation)
            encoding.seconds = (ContinuousClock.now - start) / .seconds(1)
            encoding.picture = picture
        }
        return question.request(id: id, about: picture, options: options.generation)
    }

    private func step(_ generator: BatchGenerator) throws(CaptioningError) {
        let outcomes: [BatchGenerator.Outcome]
        let (start, encodingBefore) = (ContinuousClock.now, generator.encodingSeconds)
        do throws(GenerationError) {
            outcomes = try generator.step(cancellation: control.cancellation)
        } catch {
            throw .model(.generation(error))
        }
        let encoding = generator.encodingSeconds - encodingBefore
        statistics.visionSeconds += encoding
        statistics.decoderSeconds += (ContinuousClock.now - start) / .seconds(1) - encoding
        for outcome in outcomes {
            guard let caption = requests.removeValue(forKey: outcome.id) else {
                preconditionFailure("an outcome of no request")
            }
            switch outcome.result {
            case .success(let answer): try succeed(caption, answer)
            case .failure(let error): try fail(caption, "\(error)")
            }
        }
    }

    private func succeed(
        _ caption: PendingCaption, _ answer: Answer
    ) throws(CaptioningError) {
        guard answer.text.contains(where: { !$0.isWhitespace }) else {
            return try fail(
                caption, "the answer is empty; stop reason: \(answer.stopReason.rawValue)")
        }
        var record = CaptionRecord(caption.picture.path)
        record.text = options.prefix + answer.text + options.suffix
        record.describe(identity, prompt: caption.prompt)
        record.describe(caption.content, answer, encodingSeconds: caption.encoding?.seconds)
        statistics.captions += 1
        if [.length, .context].contains(answer.stopReason) { statistics.endedByLength += 1 }
        statistics.generatedTokens += answer.statistics.generatedTokens
        statistics.visualTokens += answer.statistics.unprunedVisualRows
        statistics.keptTokens += answer.statistics.visualRows
        if let open = openPrompts[caption.task] {
            openPrompts[caption.task] = open > 1 ? open - 1 : nil
            if open == 1 { statistics.captioned += 1 }
        }
        try countSidecarFailures(
            queue.add(
                record, of: caption.picture, prompt: caption.prompt, task: caption.task,
                recordsOfTask: plan.tasks[caption.task].prompts.count))
    }

    /// Counts captioned pictures without their sidecars as failed.
    private func countSidecarFailures(_ failures: [InputFailure]) throws(CaptioningError) {
        statistics.captioned -= failures.count
        for failure in failures { try countFailure("\(failure)") }
    }

    private func fail(
        _ record: CaptionRecord, _ picture: PictureReference, task: Int, prompt: Int?
    ) throws(CaptioningError) {
        try countSidecarFailures(
            queue.add(
                record, of: picture, prompt: prompt, task: task,
                recordsOfTask: prompt == nil ? 1 : plan.tasks[task].prompts.count))
        // A picture counts as failed once, even if its other prompts succeed.
        if prompt == nil || openPrompts.removeValue(forKey: task) != nil {
            try countFailure(record.error ?? "")
        }
    }

    private func fail(
        _ caption: PendingCaption, _ reason: String
    ) throws(CaptioningError) {
        var record = CaptionRecord(
            caption.picture.path, error: "\(caption.picture.path.text): \(reason)")
        record.describe(identity, prompt: caption.prompt)
        try fail(record, caption.picture, task: caption.task, prompt: caption.prompt)
    }

    private func fail(_ failure: InputFailure) throws(CaptioningError) {
        try queue.output.write([failure])
        try countFailure("\(failure)")
    }

    private func countFailure(_ message: String) throws(CaptioningError) {
        statistics.failed += 1
        onFailure(message)
        if let limit = options.maximumFailures, statistics.failed > limit {
            throw .tooManyFailures(count: statistics.failed, limit: limit)
        }
    }

    private func measured<Result>(
        _ total: WritableKeyPath<JobStatistics, Double>, _ body: () -> Result
    ) -> Result {
        let start = ContinuousClock.now
        defer { statistics[keyPath: total] += (ContinuousClock.now - start) / .seconds(1) }
        return body()
    }

    private func measure(
        _ total: WritableKeyPath<JobStatistics, Double>,
        _ body: () throws(CaptioningError) -> Void
    ) throws(CaptioningError) {
        let start = ContinuousClock.now
        defer { statistics[keyPath: total] += (ContinuousClock.now - start) / .seconds(1) }
        try body()
    }
}
