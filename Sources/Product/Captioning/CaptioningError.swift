// SPDX-License-Identifier: Apache-2.0
@_exported import FileOutput
import TrimLLaVA
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a job cannot start, or had to stop.
public enum CaptioningError: Error, Equatable {
    /// A file cannot be read.
    case unreadable(path: String, reason: String)
    /// A list of pictures, or the text of a sidecar, cannot be taken in.
    case text(UserTextError)
    /// A file cannot be written.
    case unwritable(path: String, reason: String)
    /// A file cannot be written, nor could any other: the disk, or the user's share of it, is full.
    case outOfSpace(path: String, reason: String)
    /// Records would be mixed with what is there already.
    case recordsExist(path: String)
    /// Another run writes there.
    case inUse(path: String)
    /// A line of a file of records is none.
    case notARecord(path: String, line: Int, reason: String)
    /// A file that is being written has been removed or replaced.
    case removed(path: String)
    /// A picture that no row of Hugging Face's metadata can name.
    case outsideMetadata(picture: String, metadata: String)
    /// A line of a `metadata.jsonl` is no row.
    case notMetadata(path: String, line: Int)
    /// A folder for shards has others already.
    case foreignShards(folder: String, shard: String)
    /// Two shards would have the same name.
    case sameShard(name: String, first: String, second: String)
    /// The model refuses, whatever the picture.
    case model(LLaVAError)
    /// More pictures failed than may.
    case tooManyFailures(count: Int, limit: Int)
}

/// What tells a file from all others, whatever it is called.
typealias FileIdentity = FileStatus.Identity

/// Writes files; what keeps them from being written are the module's errors.
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

extension CaptioningError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .text(let error): "\(error)"
        case .unwritable(let path, let reason), .outOfSpace(let path, let reason):
            "\(path): cannot be written: \(reason)"
        case .recordsExist(let path):
            "\(path) has records already; continue it with --resume, or give another file"
        case .inUse(let path): "\(path): another run writes there"
        case .notARecord(let path, let line, let reason):
            "\(path): line \(line) is no record of a caption: \(reason)"
        case .removed(let path):
            "\(path): has been removed or replaced while it was being written"
        case .outsideMetadata(let picture, let metadata):
            "\(metadata) cannot name \(picture): Hugging Face's datasets look for picture files below its "
                + "folder, by names in UTF-8"
        case .notMetadata(let path, let line):
            "\(path): line \(line) is no JSON object, expected a row with a file_name"
        case .foreignShards(let folder, let shard):
            "\(folder) has shards that this job did not write, such as \(shard); give another folder"
        case .sameShard(let name, let first, let second):
            "\(first) and \(second) would both go to the shard \(name); caption them one after the other"
        case .model(let error): "\(error)"
        case .tooManyFailures(let count, let limit):
            "\(count) pictures failed, and --max-errors is \(limit)"
        }
    }
}
