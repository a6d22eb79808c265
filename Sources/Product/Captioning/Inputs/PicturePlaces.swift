// SPDX-License-Identifier: Apache-2.0

/// What pictures are known by however their paths are spelled: the path of the folder with its links
/// resolved, and the name in it.
///
/// Another name in the same folder is another picture, also where it is a link.
final class PicturePlaces {
    private var folders: [FilePath: FilePath] = [:]
    private var archives: Set<FilePath> = []
    private var archiveNames: Set<[UInt8]> = []

    /// Where a file is.
    func place(of path: FilePath) -> FilePath {
        let folder = path.folder
        if let known = folders[folder] { return known.appending(path.name) }
        let resolved = folder.resolved() ?? folder
        folders[folder] = resolved
        return resolved.appending(path.name)
    }

    /// Where a picture is.
    func place(of picture: PictureReference) -> FilePath {
        guard case .member(let archive, _, _) = picture.place, let name = picture.memberName else {
            return place(of: picture.path)
        }
        return place(ofArchive: archive).appending(name.bytes)
    }

    /// Where an archive is, whose members' places start there.
    private func place(ofArchive path: FilePath) -> FilePath {
        let place = place(of: path)
        archives.insert(place)
        archiveNames.insert(Array(path.name))
        return place
    }

    /// Where the picture is that a record has this path of: a file, or a member of an archive that is known.
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
