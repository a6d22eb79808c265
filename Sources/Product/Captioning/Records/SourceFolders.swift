// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// The input folders of a job whose sidecars go to one output folder.
///
/// With one input folder, paths are relative to it. With several, they are relative to their innermost common
/// folder, so `train/a.jpg` and `test/a.jpg` stay apart.
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
        // The innermost input folder that contains a picture counts.
        places.sort { $0.prefix.count > $1.prefix.count }
    }

    /// The relative path of a picture.
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
