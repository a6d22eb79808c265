// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// The folders that pictures are asked of, where what belongs to the pictures of several goes to one folder.
///
/// Pictures of one folder are known by their paths below it. Those of several are known by their paths below
/// the innermost folder that all of these are in, so that `train/a.jpg` and `test/a.jpg` stay apart.
struct SourceFolders {
    private var places: [(prefix: [UInt8], place: FilePath)] = []

    init(_ folders: [FilePath]) {
        let resolved = folders.compactMap { folder in folder.resolved().map { (folder, $0) } }
        guard Set(resolved.map(\.1)).count > 1 else { return }
        let steps = resolved.map { Self.steps(of: $0.1) }
        var shared = steps[0]
        for other in steps {
            let same = zip(shared, other).prefix { $0 == $1 }.count
            shared.removeLast(shared.count - same)
        }
        places = zip(resolved, steps).map { folder, steps in
            let below = steps.dropFirst(shared.count)
            return (
                folder.0.appending([]).bytes,
                below.reduce(FilePath("")) { $0.appending($1) }
            )
        }
        // Of a folder in a folder the inner one tells where a picture is.
        places.sort { $0.prefix.count > $1.prefix.count }
    }

    /// The path by which a picture is known.
    func place(of picture: PictureReference) -> FilePath {
        guard let (prefix, place) = places.first(where: { picture.path.bytes.starts(with: $0.0) })
        else { return picture.relativePath }
        return Self.steps(of: FilePath(picture.path.bytes.dropFirst(prefix.count)))
            .reduce(place) { $0.appending($1) }
    }

    private static func steps(of path: FilePath) -> [ArraySlice<UInt8>] {
        path.bytes.split(separator: UInt8(ascii: "/"))
    }
}
