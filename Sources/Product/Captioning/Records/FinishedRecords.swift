// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

/// What a file of records has of the pictures and prompts of a job.
///
/// A record counts while the picture is the one that was read, by size and time of change, and prompt, model
/// and settings are the job's. Records of pictures that have changed, empty captions, and failures, which are
/// tried again, go; those of other pictures, prompts and settings stay.
struct FinishedRecords {
    /// The captions that are there: by picture, then by the prompt's position.
    private(set) var captions: [FilePath: [Int: String]] = [:]
    /// Pictures whose sidecars may be older than their captions: that of the last record, and those of failures.
    private(set) var unsettled: Set<FilePath> = []
    /// The numbers of the lines that go.
    private(set) var superseded: Set<Int> = []
    /// How many captions another version of the program made, or one from before there were versions.
    private(set) var otherVersionCount = 0

    private let job: RecordIdentity
    private let prompts: [String: Int]
    /// By their places, as a record may spell a path in another way.
    private let pictures: [FilePath: PictureReference]
    private let places: PicturePlaces
    private let failures: Set<FilePath>
    private var lastPicture: FilePath?

    /// Reads the records.
    ///
    /// - Throws: `CaptioningError`.
    init(
        of file: AppendedFile, for job: RecordIdentity, _ inputs: PictureInputs
    ) throws(CaptioningError) {
        self.job = job
        prompts = Dictionary(
            job.promptHashes.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let places = inputs.places
        self.places = places
        pictures = Dictionary(
            inputs.pictures.map { (places.place(of: $0), $0) },
            uniquingKeysWith: { first, _ in first })
        failures = Set(inputs.failures.map { places.place(recorded: $0.path) })
        var versions: [FilePath: FileVersion?] = [:]
        let broken = try file.forEachRecord { record, number throws(CaptioningError) in
            if !add(record, &versions) { superseded.insert(number) }
        }
        if let broken { superseded.insert(broken) }
        if let lastPicture { unsettled.insert(lastPicture) }
    }

    /// Takes note of a record; false if it has to go.
    private mutating func add(
        _ record: CaptionRecord, _ versions: inout [FilePath: FileVersion?]
    ) -> Bool {
        let place = places.place(recorded: record.path)
        guard let text = record.text else {
            if let picture = pictures[place] { unsettled.insert(picture.path) }
            let isTriedAgain = pictures[place] != nil || failures.contains(place)
            return !isTriedAgain && FileStatus(record.path)?.kind != .folder
        }
        guard let picture = pictures[place], record.settings == job.settings,
            let prompt = record.promptSha256.flatMap({ prompts[$0] })
        else { return true }
        guard text.contains(where: { !$0.isWhitespace }) else { return false }
        let path = picture.path
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
