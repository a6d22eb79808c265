// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA
import UserText

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
    ///   - inputs: what was asked for: its folders are locked where sidecars go to them.
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

    /// Refuses a file that begins with something else than a record, before anything in it is changed.
    private static func refuseUnlessRecords(_ file: AppendedFile) throws(CaptioningError) {
        let start = try file.beginning(1 << 20)
        for (index, bytes) in start.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        ).enumerated() {
            let text = try? UserText.line(bytes, place: file.path.text)
            let line = text.map { Array($0.utf8) } ?? Array(bytes)
            // Blanks are no records, but harm nobody; a torn line of zeros is what a power failure leaves.
            guard line.contains(where: { !" \t\r\0".utf8.contains($0) }) else { continue }
            let isWhole = bytes.endIndex < start.endIndex
            let isRecord =
                isWhole ? (try? CaptionRecord(line: line)) != nil : line.first == UInt8(ascii: "{")
            guard !isRecord else { return }
            throw .notARecord(
                path: file.path.text, line: index + 1,
                reason: "it is not JSON with a file name, and a text or an error")
        }
    }

    /// What is left to do: for each picture the positions of the prompts that have no caption yet.
    ///
    /// Sidecars that are missing although their captions are recorded are written, and records that no longer hold
    /// are removed.
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
            } else if captions.isEmpty, sidecars?.isSkipped(picture) == true {
                plan.skippedCount += 1
            } else if let reason = sidecars?.refusal(for: picture) {
                plan.failures.append(InputFailure(path: picture.path, reason: reason))
            } else {
                if !captions.isEmpty { incomplete[picture.path] = captions }
                plan.tasks.append(JobPlan.Task(picture: picture, prompts: open))
            }
        }
        // Only now, as failures tell whose sidecars are old.
        if let finished, !finished.superseded.isEmpty {
            try file?.rewrite(keeping: { !finished.superseded.contains($0) })
        }
        return plan
    }

    /// Writes a record, and the sidecar of a picture that has all its captions with it.
    ///
    /// The record comes first: a run that goes on after it restores a sidecar that was not written.
    ///
    /// - Parameter prompt: the prompt's position; nil for what failed before any prompt.
    /// - Returns: why the sidecar could not be written, which is recorded too; nil where it was, or none was due.
    /// - Throws: `CaptioningError` where other pictures' output would fail as well.
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

    /// Why something could not be done with a picture's sidecar; what would hit the others too is thrown.
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
    public func table(of inputs: PictureInputs) throws(CaptioningError) -> CaptionTable {
        var table = CaptionTable(job, places: inputs.places)
        _ = try file?.forEachRecord { record, _ in table.add(record) }
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
    /// Pictures that have all their captions, but not in their sidecars, which is recorded already.
    public internal(set) var sidecarFailures: [InputFailure] = []
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
