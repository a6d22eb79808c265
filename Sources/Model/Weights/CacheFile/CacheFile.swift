// SPDX-License-Identifier: Apache-2.0
import FileOutput
import GGUF

/// A file of a cache folder, mapped read-only as long as this value lives.
///
/// Other processes replace the file and never write into it.
package struct CacheFile: Sendable {
    /// Why a file is not used.
    package enum Refusal: Error, Equatable {
        /// There is no file.
        case missing
        /// It cannot be read.
        case unreadable(reason: String)
        /// It is truncated, changed, or of another version of this program.
        case damaged
        /// It was made from another file, or from an earlier version of the file.
        case stale
    }

    /// The mapped file, which outlives this value where it is held.
    package let file: MappedFile

    /// The whole file.
    package var bytes: UnsafeRawBufferPointer { file.bytes }

    /// Maps a regular file.
    package init(path: String) throws(Refusal) {
        do throws(MappedFile.Refusal) {
            file = try MappedFile(path: path)
        } catch {
            switch error {
            case .missing: throw .missing
            case .unreadable(let reason): throw .unreadable(reason: reason)
            case .notFile, .empty: throw .damaged
            }
        }
    }
}

extension GGUFFile {
    /// What changes whenever the file, or a part of it, does.
    package var identityText: String {
        identities.map { part in
            "\(part.byteCount) bytes, changed at \(part.modificationTime), inode \(part.inode), "
                + "header \(String(part.header, radix: 16))"
        }.joined(separator: "; ")
    }

    /// What a file about this one is called in a cache folder.
    ///
    /// - Parameter variant: tells files about the same one apart.
    package func cacheName(_ variant: String) -> String {
        let name = path.split(separator: "/").last ?? "model"
        let place = FilePath(path).resolved()?.text ?? path
        return "\(name)-\(String(fingerprint(of: "\(place) \(variant)"), radix: 16))"
    }
}
