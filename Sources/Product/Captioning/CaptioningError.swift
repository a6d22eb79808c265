// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA
import UserText

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
    /// The model refuses, whatever the picture.
    case model(LLaVAError)
    /// More pictures failed than may.
    case tooManyFailures(count: Int, limit: Int)
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
        case .model(let error): "\(error)"
        case .tooManyFailures(let count, let limit):
            "\(count) pictures failed, and --max-errors is \(limit)"
        }
    }
}
