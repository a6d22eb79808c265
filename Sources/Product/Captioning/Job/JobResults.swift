// SPDX-License-Identifier: Apache-2.0
import Generation
import TrimLLaVA

/// What became of a job's pictures: writes their records, and counts them.
struct JobResults {
    /// The counts, and what the captions have cost.
    var statistics: JobStatistics

    private let plan: JobPlan
    private let identity: RecordIdentity
    private let options: JobOptions
    private let onFailure: (String) -> Void
    private var queue: RecordQueue
    /// Captions that the pictures still lack, by their positions in the plan; pictures that failed have none.
    private var openPrompts: [Int: Int]

    init(
        _ plan: JobPlan, _ identity: RecordIdentity, _ options: JobOptions,
        _ output: CaptionOutput, _ statistics: JobStatistics,
        onFailure: @escaping (String) -> Void
    ) {
        self.plan = plan
        self.identity = identity
        self.options = options
        self.statistics = statistics
        self.onFailure = onFailure
        queue = RecordQueue(output, isOrdered: options.isOrdered)
        openPrompts = Dictionary(
            uniqueKeysWithValues: plan.tasks.enumerated().map { ($0, $1.prompts.count) })
    }

    /// Writes and counts the inputs that failed before any picture was read.
    mutating func addFailuresOfPlan() throws(CaptioningError) {
        for failure in plan.failures {
            try queue.output.write([failure])
            try countFailure("\(failure)")
        }
        for failure in plan.sidecarFailures { try countFailure("\(failure)") }
    }

    /// Adds a caption.
    mutating func add(_ caption: Caption, _ answer: Answer) throws(CaptioningError) {
        guard answer.text.contains(where: { !$0.isWhitespace }) else {
            return try add(
                caption, failure: "the answer is empty; stop reason: \(answer.stopReason.rawValue)")
        }
        let task = caption.picture.task
        var record = CaptionRecord(caption.picture.reference.path)
        record.text = options.prefix + answer.text + options.suffix
        record.describe(identity, prompt: caption.prompt)
        record.describe(caption.picture.loaded, answer)
        statistics.add(answer)
        if let open = openPrompts[task] {
            openPrompts[task] = open > 1 ? open - 1 : nil
            if open == 1 { statistics.captioned += 1 }
        }
        try add(record, caption)
    }

    /// Adds a caption that could not be generated; a picture that could not be loaded gets one record for all of
    /// its prompts.
    mutating func add(
        _ caption: Caption, _ error: GenerationError
    ) throws(CaptioningError) {
        guard let failure = caption.picture.failure else {
            return try add(caption, failure: "\(error)")
        }
        let (task, picture) = (caption.picture.task, caption.picture.reference)
        guard openPrompts.removeValue(forKey: task) != nil else { return }
        let record = CaptionRecord(picture.path, error: failure.reason)
        try countSidecarFailures(
            queue.add(record, of: picture, prompt: nil, task: task, recordsOfTask: 1))
        try countFailure(failure.reason)
    }

    /// Writes the records that still wait for those of earlier pictures.
    mutating func finish() throws(CaptioningError) { try countSidecarFailures(queue.flush()) }

    private mutating func add(_ caption: Caption, failure: String) throws(CaptioningError) {
        let path = caption.picture.reference.path
        let message = "\(path.text): \(failure)"
        var record = CaptionRecord(path, error: message)
        record.describe(identity, prompt: caption.prompt)
        try add(record, caption)
        // A picture counts as failed once, even if its other prompts succeed.
        if openPrompts.removeValue(forKey: caption.picture.task) != nil {
            try countFailure(message)
        }
    }

    private mutating func add(
        _ record: CaptionRecord, _ caption: Caption
    ) throws(CaptioningError) {
        let task = caption.picture.task
        try countSidecarFailures(
            queue.add(
                record, of: caption.picture.reference, prompt: caption.prompt, task: task,
                recordsOfTask: plan.tasks[task].prompts.count))
    }

    /// Counts captioned pictures without their sidecars as failed.
    private mutating func countSidecarFailures(
        _ failures: [InputFailure]
    ) throws(CaptioningError) {
        statistics.captioned -= failures.count
        for failure in failures { try countFailure("\(failure)") }
    }

    private mutating func countFailure(_ message: String) throws(CaptioningError) {
        statistics.failed += 1
        onFailure(message)
        if let limit = options.maximumFailures, statistics.failed > limit {
            throw .tooManyFailures(count: statistics.failed, limit: limit)
        }
    }
}
