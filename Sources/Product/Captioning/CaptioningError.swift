// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TrimLLaVA
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a job cannot start or had to stop.
public enum CaptioningError: Error, Equatable {
    /// A file cannot be read.
    case unreadable(path: String, reason: String)
    /// A list of pictures or the text of a sidecar cannot be read.
    case text(UserTextError)
    /// A file cannot be written.
    case unwritable(path: String, reason: String)
    /// No file can be written: the disk or the user's quota is full.
    case outOfSpace(path: String, reason: String)
    /// The output file has records already, and the run does not resume.
    case recordsExist(path: String)
    /// Another run writes to the file or folder.
    case inUse(path: String)
    /// A line of a record file is not a record.
    case notARecord(path: String, line: Int, reason: String)
    /// The output file was removed or replaced during the run.
    case removed(path: String)
    /// Hugging Face's metadata file cannot name a picture.
    case outsideMetadata(picture: String, metadata: String)
    /// A line of a `metadata.jsonl` is not a row.
    case notMetadata(path: String, line: Int)
    /// The folder for shards has shards that the job did not write.
    case foreignShards(folder: String, shard: String)
    /// Two shards would get the same name.
    case sameShard(name: String, first: String, second: String)
    /// The model failed independently of the picture.
    case model(LLaVAError)
    /// More pictures failed than `maximumFailures` allows.
    case tooManyFailures(count: Int, limit: Int)
}

/// Identifies a file under all of its names.
typealias FileIdentity = FileStatus.Identity

/// Runs `body`, which writes files, and converts its errors to the module's.
func writing<Result>(
    _ body: () throws(FileOutputError) -> Result
) throws(CaptioningError) -> Result {
    do {
        return try body()
    } catch {
        throw [ENOSPC, EDQUOT].contains(error.code)
            ? .outOfSpace(path: error.path, reason: error.reason)
            : .unwritable(path: error.path, reason: error.reason)
    }
}

extension FileStatus {
    /// The status of a file that may be there; nil if there is none.
    ///
    /// - Throws: `CaptioningError.unreadable` if the system does not say.
    static func present(_ path: FilePath) throws(CaptioningError) -> FileStatus? {
        do {
            return try lookedUp(path)
        } catch {
            throw .unreadable(path: error.path, reason: error.reason)
        }
    }
}

extension CaptioningError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .text(let error): "\(error)"
        case .unwritable(let path, let reason), .outOfSpace(let path, let reason):
            "\(path): cannot be written: \(reason)"
        case .recordsExist(let path):
            "\(path) has records already"
        case .inUse(let path): "\(path): another run is writing to it"
        case .notARecord(let path, let line, let reason):
            "\(path): line \(line) is not a caption record: \(reason)"
        case .removed(let path):
            "\(path): was removed or replaced while it was being written"
        case .outsideMetadata(let picture, let metadata):
            "\(metadata) cannot name \(picture): expected a picture file in its folder or below, with a "
                + "name in UTF-8"
        case .notMetadata(let path, let line):
            "\(path): line \(line) is not a JSON object, expected a row with a file_name"
        case .foreignShards(let folder, let shard):
            "\(folder) has shards that this job did not write, such as \(shard); give another folder"
        case .sameShard(let name, let first, let second):
            "\(first) and \(second) would both go to the shard \(name); caption them one after the other"
        case .model(let error): "\(error)"
        case .tooManyFailures(let count, let limit):
            "\(count) pictures failed, more than the limit of \(limit)"
        }
    }
}
