// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a job's records and captions go.
public final class CaptionOutput {
    /// Where records go.
    public enum Records: Sendable {
        /// Nowhere.
        case none
        /// To standard output, one line each.
        case standardOutput
        /// To a file, one line each.
        case file(FilePath)
    }

    private let file: AppendedFile?
    private let writesStandardOutput: Bool
    private let sidecars: Sidecars?
    private let locks: FolderLocks?
    private let job: RecordIdentity
    /// Captions of pictures that have several prompts, until all are there.
    private var incomplete: [FilePath: [Int: String]] = [:]

    /// Opens and locks what will be written.
    ///
    /// - Parameters:
    ///   - resumes: whether a file of records may have some, and the job goes on after them.
    ///   - sidecars: captions beside the pictures; nil for none.
    ///   - part: the part of the pictures that this run has.
    ///   - inputs: what was asked for: without a file of records, its folders are locked.
    /// - Throws: `CaptioningError`.
    public init(
        records: Records, resumes: Bool, sidecars: Sidecars?, job: RecordIdentity,
        part: Shard? = nil, inputs: [FilePath] = []
    ) throws(CaptioningError) {
        self.sidecars = sidecars
        if case .file = records {
            locks = nil
        } else {
            locks = try sidecars.map { sidecars throws(CaptioningError) in
                try FolderLocks(sidecars.folders(of: inputs), isShared: part != nil)
            }
        }
        self.job = job
        switch records {
        case .none: (file, writesStandardOutput) = (nil, false)
        case .standardOutput: (file, writesStandardOutput) = (nil, true)
        case .file(let path):
            let file = try AppendedFile(path)
            guard resumes || file.length == 0 else { throw .recordsExist(path: path.text) }
            (self.file, writesStandardOutput) = (file, false)
        }
    }

    /// What is left to do: for each picture the positions of the prompts that have no caption yet.
    ///
    /// Sidecars that are missing although their captions are recorded are written.
    ///
    /// - Throws: `CaptioningError`.
    public func plan(_ inputs: PictureInputs) throws(CaptioningError) -> JobPlan {
        let finished = try file.map { file throws(CaptioningError) in
            try FinishedRecords(of: file, for: job, inputs)
        }
        var plan = JobPlan(failures: inputs.failures)
        plan.otherVersionCount = finished?.otherVersionCount ?? 0
        let all = Array(job.prompts.indices)
        var taken: [FilePath: FilePath] = [:]
        for picture in inputs.pictures {
            if let reason = sidecars?.obstacle(for: picture, &taken) {
                plan.failures.append(InputFailure(path: picture.path, reason: reason))
                continue
            }
            let captions = finished?.captions[picture.path] ?? [:]
            let open = all.filter { captions[$0] == nil }
            if open.isEmpty {
                plan.finishedCount += 1
                try sidecars?.restore(
                    Sidecars.text(of: captions), for: picture,
                    mayBeOld: picture.path == finished?.lastPicture)
            } else if captions.isEmpty, sidecars?.isSkipped(picture) == true {
                plan.skippedCount += 1
            } else {
                if !captions.isEmpty { incomplete[picture.path] = captions }
                plan.tasks.append(JobPlan.Task(picture: picture, prompts: open))
            }
        }
        return plan
    }

    /// Writes a record, and the sidecar of a picture that has all its captions with it.
    ///
    /// The record comes first: a run that goes on after it restores a sidecar that was not written.
    ///
    /// - Parameter prompt: the prompt's position; nil for what failed before any prompt.
    /// - Throws: `CaptioningError`.
    func write(
        _ record: CaptionRecord, of picture: PictureReference, prompt: Int?
    ) throws(CaptioningError) {
        let line = record.line()
        try file?.append(line)
        if writesStandardOutput, !writeAll(line, to: STDOUT_FILENO) {
            throw .unwritable(path: "standard output", reason: systemReason())
        }
        guard let sidecars, let prompt, let text = record.text else { return }
        var captions = incomplete.removeValue(forKey: picture.path) ?? [:]
        captions[prompt] = text
        if captions.count == job.prompts.count {
            try sidecars.write(Sidecars.text(of: captions), for: picture)
        } else {
            incomplete[picture.path] = captions
        }
    }

    /// Writes records of what is no picture.
    ///
    /// - Throws: `CaptioningError`.
    public func write(_ failures: [InputFailure]) throws(CaptioningError) {
        for failure in failures {
            try write(
                CaptionRecord(failure.path, error: "\(failure)"),
                of: PictureReference(path: failure.path), prompt: nil)
        }
    }

    /// Makes everything survive a power failure.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    public func finish() throws(CaptioningError) { try file?.synchronize() }

    /// What the file says about the job's pictures and prompts.
    ///
    /// - Throws: `CaptioningError`.
    public func table() throws(CaptioningError) -> CaptionTable {
        var table = CaptionTable(job)
        try file?.forEachLine { line, number throws(CaptioningError) in
            guard let record = try? CaptionRecord(line: line) else {
                throw .notARecord(
                    path: file?.path.text ?? "", line: number, reason: "it is damaged")
            }
            table.add(record)
        }
        return table
    }
}

/// What a job has to do.
public struct JobPlan: Sendable {
    /// A picture and the positions of the prompts that it needs captions for.
    public struct Task: Sendable {
        /// The picture.
        public let picture: PictureReference
        /// Ascending positions.
        public let prompts: [Int]
    }

    /// What cannot be read, or is not there.
    public internal(set) var failures: [InputFailure]
    /// The pictures to caption.
    public internal(set) var tasks: [Task] = []
    /// Pictures that have all their captions in the file of records.
    public internal(set) var finishedCount = 0
    /// Pictures whose sidecars are there and stay.
    public internal(set) var skippedCount = 0
    /// Captions in the file of records that another version of the program made, and that stay.
    public internal(set) var otherVersionCount = 0

    init(failures: [InputFailure]) { self.failures = failures }

    /// Captions to generate.
    public var captionCount: Int { tasks.reduce(0) { $0 + $1.prompts.count } }
}
