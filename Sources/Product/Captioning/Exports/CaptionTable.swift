// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// The records of a job's pictures and prompts, for the formats that are written at the end of a run.
public struct CaptionTable {
    /// The records of one picture.
    struct Row {
        let path: FilePath
        /// Its captions by the prompts' positions.
        var captions: [Int: CaptionRecord] = [:]
        /// Its failures.
        var failures: [CaptionRecord] = []

        /// All records, in the order of the prompts.
        var records: [CaptionRecord] {
            captions.sorted { $0.key < $1.key }.map(\.value) + failures
        }
    }

    /// The prompts.
    let promptCount: Int
    private let settings: String
    private let prompts: [String: Int]
    private let places: PicturePlaces
    /// Keyed by the pictures' places, because a record file may spell a path in several ways.
    private var byPicture: [FilePath: Row] = [:]
    /// Captions made with other prompts, models or settings.
    private var others: [FilePath: Set<String>] = [:]

    init(_ job: RecordIdentity, places: PicturePlaces = PicturePlaces()) {
        self.places = places
        settings = job.settings
        promptCount = job.prompts.count
        prompts = Dictionary(
            job.promptHashes.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Adds a record, if it is about the job's prompts, model and settings.
    mutating func add(_ record: CaptionRecord) {
        let path = record.path
        let place = places.place(recorded: path)
        if record.error != nil {
            byPicture[place, default: Row(path: path)].failures.append(record)
        } else if record.settings == settings,
            let prompt = record.promptSha256.flatMap({ prompts[$0] })
        {
            byPicture[place, default: Row(path: path)].captions[prompt] = record
        } else if let text = record.text {
            others[place, default: []].insert(text)
        }
    }

    /// Whether the record file has this caption of a picture, made with any prompt and settings.
    func has(_ text: String, of path: FilePath) -> Bool {
        let place = places.place(recorded: path)
        return others[place]?.contains(text) == true
            || byPicture[place]?.captions.values.contains { $0.text == text } == true
    }

    /// The records of one picture.
    subscript(picture: PictureReference) -> Row? { byPicture[places.place(of: picture)] }

    /// The pictures, ordered by the bytes of their paths.
    var rows: [Row] { byPicture.values.sorted { $0.path < $1.path } }
}
