// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TrimLLaVA
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The outputs of a job's records and captions.
public final class CaptionOutput {
    /// Where records go.
    public enum Records: Sendable {
        /// Nowhere.
        case none
        /// Standard output, one line each.
        case standardOutput
        /// A file, one line each.
        case file(FilePath)
    }

    private let file: AppendedFile?
    private let writesStandardOutput: Bool
    private let sidecars: Sidecars?
    private let locks: FolderLocks?
    private let job: RecordIdentity
    /// The captions so far of pictures with several prompts.
    private var incomplete: [FilePath: [Int: String]] = [:]

    /// Opens and locks the outputs.
    ///
    /// - Parameters:
    ///   - resumes: whether the job continues a file that has records.
    ///   - sidecars: text files with captions; nil for none.
    ///   - part: this run's part of the pictures.
    ///   - inputs: the inputs, whose folders are locked if sidecars go there.
    /// - Throws: `CaptioningError`.
    public init(
        records: Records, resumes: Bool, sidecars: Sidecars?, job: RecordIdentity,
        part: Shard? = nil, inputs: [FilePath] = []
    ) throws(CaptioningError) {
        self.sidecars = sidecars
        locks = try sidecars.map { sidecars throws(CaptioningError) in
            try FolderLocks(sidecars.folders(of: inputs), isShared: part != nil)
        }
        self.job = job
        switch records {
        case .none: (file, writesStandardOutput) = (nil, false)
        case .standardOutput: (file, writesStandardOutput) = (nil, true)
        case .file(let path):
            let file = try AppendedFile(path)
            try Self.refuseUnlessRecords(file)
            guard resumes || file.length == 0 else { throw .recordsExist(path: path.text) }
            try file.dropTornLine()
            (self.file, writesStandardOutput) = (file, false)
        }
    }

    /// Refuses a file whose first line is not a record, before anything in it is changed.
    private static func refuseUnlessRecords(_ file: AppendedFile) throws(CaptioningError) {
        let start = try file.beginning(1 << 20)
        for (index, bytes) in start.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() {
            let text = try? UserText.line(bytes, place: file.path.text)
            let line = text.map { Array($0.utf8) } ?? Array(bytes)
            // Blank lines are harmless. A power failure can leave a torn line of zeros.
            guard line.contains(where: { !" \t\r\0".utf8.contains($0) }) else { continue }
            let isWhole = bytes.endIndex < start.endIndex
            let isRecord =
                isWhole ? (try? CaptionRecord(line: line)) != nil : line.first == UInt8(ascii: "{")
            guard !isRecord else { return }
            throw .notARecord(
                path: file.path.text, line: index + 1,
                reason: "expected a JSON object with a file_name, and a text or an error")
        }
    }

    /// The remaining work: for each picture, the positions of the prompts without a caption.
    ///
    /// Missing sidecars of recorded captions are written, and outdated records are removed.
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
            let place = sidecars?.place(for: picture, &taken)
            if case .blocked(let reason) = place {
                plan.failures.append(InputFailure(path: picture.path, reason: reason))
                continue
            }
            let captions = finished?.captions[picture.path] ?? [:]
            let open = all.filter { captions[$0] == nil }
            if open.isEmpty {
                let failure = try failure(of: picture) { sidecars throws(CaptioningError) in
                    try sidecars.restore(
                        sidecars.text(of: captions), for: picture,
                        mayBeOld: finished?.unsettled.contains(picture.path) == true)
                }
                guard let failure else {
                    plan.finishedCount += 1
                    continue
                }
                plan.sidecarFailures.append(failure)
                try append(CaptionRecord(picture.path, error: "\(failure)"))
            } else if captions.isEmpty, place == .file, sidecars?.areSkipped == true {
                plan.skippedCount += 1
            } else if let reason = sidecars?.refusal(for: picture) {
                plan.failures.append(InputFailure(path: picture.path, reason: reason))
            } else {
                if !captions.isEmpty { incomplete[picture.path] = captions }
                plan.tasks.append(JobPlan.Task(picture: picture, prompts: open))
            }
        }
        // This comes last: the recorded failures say which sidecars may be old.
        if let finished, !finished.superseded.isEmpty {
            try file?.rewrite(keeping: { !finished.superseded.contains($0) })
        }
        return plan
    }

    /// Writes a record and, if it completes the picture's captions, the sidecar.
    ///
    /// The record comes first: if the sidecar is not written, the next run restores it.
    ///
    /// - Parameter prompt: the prompt's position; nil for a failure before any prompt.
    /// - Returns: the failure of the sidecar, which is also recorded; nil if it was written or none was due.
    /// - Throws: `CaptioningError` if the output of other pictures would fail as well.
    @discardableResult
    func write(
        _ record: CaptionRecord, of picture: PictureReference, prompt: Int?
    ) throws(CaptioningError) -> InputFailure? {
        try append(record)
        guard let prompt, let text = record.text else { return nil }
        var captions = incomplete.removeValue(forKey: picture.path) ?? [:]
        captions[prompt] = text
        guard captions.count == job.prompts.count else {
            incomplete[picture.path] = captions
            return nil
        }
        let failure = try failure(of: picture) { sidecars throws(CaptioningError) in
            try sidecars.write(sidecars.text(of: captions), for: picture)
        }
        if let failure { try append(CaptionRecord(picture.path, error: "\(failure)")) }
        return failure
    }

    private func append(_ record: CaptionRecord) throws(CaptioningError) {
        let line = record.line()
        try file?.append(line)
        if writesStandardOutput, !writeAll(line, to: STDOUT_FILENO) {
            throw .unwritable(path: "standard output", reason: systemReason())
        }
    }

    /// Runs `body` and returns the failure of the picture's sidecar.
    ///
    /// Errors that would affect other pictures are thrown.
    private func failure(
        of picture: PictureReference, _ body: (Sidecars) throws(CaptioningError) -> Void
    ) throws(CaptioningError) -> InputFailure? {
        guard let sidecars else { return nil }
        do {
            try body(sidecars)
            return nil
        } catch {
            if case .outOfSpace = error { throw error }
            return InputFailure(path: picture.path, reason: "its sidecar failed: \(error)")
        }
    }

    /// Writes records of failed inputs.
    ///
    /// - Throws: `CaptioningError`.
    public func write(_ failures: [InputFailure]) throws(CaptioningError) {
        for failure in failures {
            try write(
                CaptionRecord(failure.path, error: "\(failure)"),
                of: PictureReference(path: failure.path), prompt: nil)
        }
    }

    /// Makes all records survive a power failure.
    ///
    /// - Throws: `CaptioningError.unwritable`.
    public func finish() throws(CaptioningError) { try file?.synchronize() }

    /// The file's records of the job's pictures and prompts.
    ///
    /// - Throws: `CaptioningError`.
    public func table(of inputs: PictureInputs) throws(CaptioningError) -> CaptionTable {
        var table = CaptionTable(job, places: inputs.places)
        _ = try file?.forEachRecord { record, _ in table.add(record) }
        return table
    }
}

/// The work of a job.
public struct JobPlan: Sendable {
    /// A picture and the prompts that it needs captions for.
    public struct Task: Sendable {
        /// The picture.
        public let picture: PictureReference
        /// Positions of prompts, ascending.
        public let prompts: [Int]
    }

    /// Inputs that cannot be read or do not exist.
    public internal(set) var failures: [InputFailure]
    /// Pictures with all of their captions whose sidecars failed; these failures are already recorded.
    public internal(set) var sidecarFailures: [InputFailure] = []
    /// The pictures to caption.
    public internal(set) var tasks: [Task] = []
    /// Pictures that have all of their captions in the record file.
    public internal(set) var finishedCount = 0
    /// Pictures that are skipped because they have sidecars.
    public internal(set) var skippedCount = 0
    /// Captions in the record file that another version of the program made and that are kept.
    public internal(set) var otherVersionCount = 0

    init(failures: [InputFailure]) { self.failures = failures }

    /// Captions to generate.
    public var captionCount: Int { tasks.reduce(0) { $0 + $1.prompts.count } }
}
