// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TrimLLaVA

/// The captions of a job's pictures and prompts that a record file already has.
///
/// A record counts if the picture has the same size and time of change, and the prompt, model and settings are
/// the job's. Records of changed pictures, empty captions and failures are superseded: they are generated
/// again. Records of other pictures, prompts and settings stay.
struct FinishedRecords {
    /// The finished captions, by picture and by the prompt's position.
    private(set) var captions: [FilePath: [Int: String]] = [:]
    /// Pictures whose sidecars may be older than their captions: that of the last record, and those with failures.
    private(set) var unsettled: Set<FilePath> = []
    /// The numbers of the superseded lines.
    private(set) var superseded: Set<Int> = []
    /// The number of captions that another version of the program made.
    private(set) var otherVersionCount = 0

    private let job: RecordIdentity
    private let prompts: [String: Int]
    /// Keyed by their places, because a record may spell a path differently.
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

    /// Adds a record; false if it is superseded.
    private mutating func add(
        _ record: CaptionRecord, _ versions: inout [FilePath: FileVersion?]
    ) -> Bool {
        let place = places.place(recorded: record.path)
        guard let text = record.text else {
            if let picture = pictures[place] { unsettled.insert(picture.path) }
            let isTriedAgain =
                pictures[place] != nil || failures.contains(place) || places.isArchive(place)
            return !isTriedAgain && FileStatus(record.path)?.kind != .folder
        }
        guard let picture = pictures[place], record.settings == job.settings,
            let prompt = record.promptSha256.flatMap({ prompts[$0] })
        else { return true }
        guard text.contains(where: { !$0.isWhitespace }) else { return false }
        let path = picture.path
        let version = versions[path] ?? picture.version
        versions[path] = version
        // A picture that no longer exists keeps its caption.
        guard version == nil || version == record.version, captions[path]?[prompt] == nil else {
            return false
        }
        captions[path, default: [:]][prompt] = text
        if record.trimllavaVersion != Release.version { otherVersionCount += 1 }
        lastPicture = path
        return true
    }

}

/// The properties that all records of a job share.
public struct RecordIdentity: Sendable {
    /// The name of the text model's file.
    public let model: String
    /// The questions.
    public let prompts: [String]
    /// Their SHA-256 in hexadecimal digits.
    public let promptHashes: [String]
    /// A hash of all other settings that captions depend on, in hexadecimal digits.
    public let settings: String

    /// The digits of the settings' hash in records.
    ///
    /// Two of a thousand settings collide with a chance of 1 in 10^13.
    private static let settingsDigits = 16

    /// - Parameter settings: everything that a caption depends on besides picture and prompt.
    public init(model: String, prompts: [String], settings: [String]) {
        self.model = model
        self.prompts = prompts
        promptHashes = prompts.map { ContentHash.text(of: $0) }
        self.settings = String(
            ContentHash.text(of: settings.joined(separator: "\n")).prefix(Self.settingsDigits))
    }
}
