// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

/// What a file of records has of the pictures and prompts of a job.
///
/// A record counts while the picture is the one that was read, by size and time of change, and prompt, model
/// and settings are the job's. Records of pictures that have changed, and of failures, which are tried
/// again, go; those of other pictures, prompts and settings stay.
struct FinishedRecords {
    /// The captions that are there: by picture, then by the prompt's position.
    private(set) var captions: [FilePath: [Int: String]] = [:]
    /// The picture of the last record.
    private(set) var lastPicture: FilePath?
    /// The numbers of the lines that go.
    private(set) var superseded: Set<Int> = []
    /// How many captions another version of the program made, or one from before there were versions.
    private(set) var otherVersionCount = 0

    private let job: RecordIdentity
    private let prompts: [String: Int]
    private let pictures: [FilePath: PictureReference]
    private let failures: Set<FilePath>

    /// Reads the records and removes those that have to go.
    ///
    /// - Throws: `CaptioningError`.
    init(
        of file: AppendedFile, for job: RecordIdentity, _ inputs: PictureInputs
    ) throws(CaptioningError) {
        self.job = job
        prompts = Dictionary(
            job.promptHashes.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        pictures = Dictionary(
            inputs.pictures.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
        failures = Set(inputs.failures.map(\.path))
        var versions: [FilePath: FileVersion?] = [:]
        try file.forEachLine { line, number throws(CaptioningError) in
            let record: CaptionRecord
            do {
                record = try CaptionRecord(line: line)
            } catch {
                throw .notARecord(path: file.path.text, line: number, reason: Self.text(of: error))
            }
            if !add(record, &versions) { superseded.insert(number) }
        }
        if !superseded.isEmpty { try file.rewrite(keeping: { !superseded.contains($0) }) }
    }

    /// Takes note of a record; false if it has to go.
    private mutating func add(
        _ record: CaptionRecord, _ versions: inout [FilePath: FileVersion?]
    ) -> Bool {
        let path = record.path
        guard let text = record.text else {
            let isTriedAgain = pictures[path] != nil || failures.contains(path)
            return !isTriedAgain && FileStatus(path)?.kind != .folder
        }
        guard let picture = pictures[path], record.settings == job.settings,
            let prompt = record.promptSha256.flatMap({ prompts[$0] })
        else { return true }
        let version = versions[path] ?? picture.version
        versions[path] = version
        // A picture that is gone keeps the caption that it had.
        guard version == nil || version == record.version, captions[path]?[prompt] == nil else {
            return false
        }
        captions[path, default: [:]][prompt] = text
        if record.trimllavaVersion != Release.version { otherVersionCount += 1 }
        lastPicture = path
        return true
    }

    private static func text(of error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, _): "\(key.stringValue) is missing"
        case .dataCorrupted(let context): context.debugDescription
        default: "it is not JSON with a file name, and a text or an error"
        }
    }
}

/// What records of a job have in common.
public struct RecordIdentity: Sendable {
    /// The name of the text model's file.
    public let model: String
    /// The questions.
    public let prompts: [String]
    /// Their SHA-256 in hexadecimal digits.
    public let promptHashes: [String]
    /// A hash of all other settings that captions depend on, in hexadecimal digits.
    public let settings: String

    /// Digits of the settings' hash that records hold: the chance that two of a thousand agree is 1 in 10^13.
    private static let settingsDigits = 16

    /// - Parameter settings: everything besides a picture and a prompt that a caption depends on.
    public init(model: String, prompts: [String], settings: [String]) {
        self.model = model
        self.prompts = prompts
        promptHashes = prompts.map { SHA256.text(of: $0) }
        self.settings = String(
            SHA256.text(of: settings.joined(separator: "\n")).prefix(Self.settingsDigits))
    }
}
