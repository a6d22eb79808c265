// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// Identifies pictures independently of the spelling of their paths: by the folder with its links resolved, and
/// the name in it.
///
/// Another name in the same folder is another picture, even if it is a link to the first.
final class PicturePlaces {
    private var folders: [FilePath: FilePath] = [:]
    private var archives: Set<FilePath> = []
    private var archiveNames: Set<[UInt8]> = []

    /// The place of a file.
    func place(of path: FilePath) -> FilePath {
        let folder = path.folder
        if let known = folders[folder] { return known.appending(path.name) }
        let resolved = folder.resolved() ?? folder
        folders[folder] = resolved
        return resolved.appending(path.name)
    }

    /// The place of a picture.
    func place(of picture: PictureReference) -> FilePath {
        guard case .member(let archive, _, _) = picture.place, let name = picture.memberName else {
            return place(of: picture.path)
        }
        return place(ofArchive: archive).appending(name.bytes)
    }

    /// The place of an archive, which the places of its members begin with.
    private func place(ofArchive path: FilePath) -> FilePath {
        let place = place(of: path)
        archives.insert(place)
        archiveNames.insert(Array(path.name))
        return place
    }

    /// Whether a place is that of an archive among the inputs.
    func isArchive(_ place: FilePath) -> Bool { archives.contains(place) }

    /// The place of a picture by the path in its record: a file, or a member of an archive among the inputs.
    func place(recorded path: FilePath) -> FilePath {
        let slash = UInt8(ascii: "/")
        var start = 0
        while !archives.isEmpty, let end = path.bytes[start...].firstIndex(of: slash) {
            if archiveNames.contains(Array(path.bytes[start..<end])) {
                let archive = place(of: FilePath(path.bytes[..<end]))
                if archives.contains(archive) {
                    return archive.appending(path.bytes[(end + 1)...])
                }
            }
            start = end + 1
        }
        return place(of: path)
    }
}
