// SPDX-License-Identifier: Apache-2.0
import FileOutput
import UserText

/// Lists of paths, as `find` writes them.
public enum FileList {
    /// The paths in a file, or in standard input when the path is `-`.
    ///
    /// NULs separate the paths if the list has any, as `find -print0` writes them; names may then contain line
    /// ends. Otherwise each line is a path. Empty paths are left out.
    ///
    /// - Throws: `CaptioningError.text`.
    public static func paths(in list: FilePath) throws(CaptioningError) -> [FilePath] {
        do {
            return try paths(
                in: UserText.bytes(at: list.bytes), name: UserText.name(of: list.bytes))
        } catch {
            throw .text(error)
        }
    }

    static func paths(
        in bytes: [UInt8], name: String = "the list"
    ) throws(UserTextError) -> [FilePath] {
        try UserText.entries(of: bytes, place: name).map { FilePath($0) }
    }
}
