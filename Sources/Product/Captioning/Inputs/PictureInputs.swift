// SPDX-License-Identifier: Apache-2.0
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Finds the pictures that files, folders, patterns and archives name, each once and in a fixed order.
public struct PictureInputs {
    /// The pictures, in the order of the inputs; those of a folder by the bytes of their names.
    public private(set) var pictures: [PictureReference] = []
    /// What cannot be read, or is not there.
    public private(set) var failures: [InputFailure] = []
    /// How often a picture was named again.
    public private(set) var duplicateCount = 0

    private let isRecursive: Bool
    private let shard: Shard?
    /// Where pictures are, however their paths are spelled.
    let places = PicturePlaces()
    private var seen: Set<FilePath> = []
    private var seenFailures: Set<InputFailure> = []
    private var seenFolders: Set<FileIdentity> = []
    /// Pictures and failures that were found, those of other parts and those named again with them.
    private var foundCount = 0
    /// Folders in folders that were not searched.
    private var unsearchedCount = 0

    /// No pictures yet.
    ///
    /// - Parameters:
    ///   - isRecursive: whether folders in folders are searched.
    ///   - shard: the part of the pictures that is taken; nil for all.
    public init(isRecursive: Bool, shard: Shard? = nil) {
        self.isRecursive = isRecursive
        self.shard = shard
    }

    /// Adds what an argument names: a file, a folder, an archive, or a pattern where nothing has that name.
    public mutating func add(_ input: FilePath) {
        if let status = FileStatus(input) {
            add(input, status)
        } else if errno == ENOENT, let matches = Self.matches(of: input) {
            for match in matches { addNamed(match) }
        } else {
            fail(input, systemReason())
        }
    }

    /// Adds a file, a folder or an archive of exactly this name, as lists hold them.
    public mutating func addNamed(_ path: FilePath) {
        if let status = FileStatus(path) {
            add(path, status)
        } else {
            fail(path, systemReason())
        }
    }

    private mutating func add(_ path: FilePath, _ status: FileStatus) {
        switch status.kind {
        case .file where ArchiveReader.isArchive(path): addMembers(of: path)
        case .file: take(PictureReference(path: path))
        case .folder: addNamedFolder(path, status.identity)
        case .other: fail(path, "is neither a file nor a folder")
        }
    }

    private mutating func take(_ picture: PictureReference) {
        foundCount += 1
        guard seen.insert(places.place(of: picture)).inserted else { return duplicateCount += 1 }
        if shard?.contains(picture.path) ?? true { pictures.append(picture) }
    }

    /// Adds a folder that was asked for: one without a picture is a mistake.
    private mutating func addNamedFolder(_ folder: FilePath, _ identity: FileIdentity) {
        let (found, unsearched) = (foundCount, unsearchedCount)
        addFolder(folder, identity, root: folder)
        guard foundCount == found else { return }
        fail(
            folder,
            unsearchedCount == unsearched
                ? "has no pictures"
                : "has no pictures itself; --recursive searches the folders in it")
    }

    /// Notes a list that names nothing.
    public mutating func addEmptyList(_ list: FilePath) {
        fail(FilePath(UserText.name(of: list.bytes)), "names no pictures")
    }

    /// Adds a folder's pictures, and where that is asked for those of the folders in it, links last.
    private mutating func addFolder(
        _ folder: FilePath, _ identity: FileIdentity, root: FilePath
    ) {
        if isRecursive {
            // A link that leads back here would never end.
            guard seenFolders.insert(identity).inserted else { return foundCount += 1 }
        }
        guard let entries = FolderEntry.entries(of: folder) else {
            return fail(folder, systemReason())
        }
        var folders: [(path: FilePath, isLink: Bool, identity: FileIdentity)] = []
        for entry in entries where !entry.path.isHidden {
            if PictureReference.extensions.contains(entry.path.fileExtension), !entry.isFolder {
                take(PictureReference(path: entry.path, below: root))
            } else if entry.mayBeFolder, let status = FileStatus(entry.path) {
                guard status.kind == .folder else { continue }
                folders.append((entry.path, entry.isLink, status.identity))
            } else if entry.isFolder, isRecursive {
                // Such as one whose path is longer than the system takes.
                fail(entry.path, systemReason())
            }
        }
        guard isRecursive else { return unsearchedCount += folders.count }
        for entry in folders.filter({ !$0.isLink }) + folders.filter(\.isLink) {
            addFolder(entry.path, entry.identity, root: root)
        }
    }

    private mutating func addMembers(of archive: FilePath) {
        let found = foundCount
        let listing = ArchiveListing(archive)
        for entry in listing.entries {
            take(
                PictureReference(
                    path: archive.appending(entry.name),
                    place: .member(
                        archive: archive, position: entry.position, header: entry.header)))
        }
        for refusal in listing.refusals { fail(archive.appending(refusal.name), refusal.reason) }
        if let failure = listing.failure { fail(archive, failure) }
        if foundCount == found { fail(archive, "has no pictures") }
    }

    private mutating func fail(_ path: FilePath, _ reason: String) {
        foundCount += 1
        guard shard?.contains(path) ?? true else { return }
        let failure = InputFailure(path: path, reason: reason)
        guard seenFailures.insert(failure).inserted else { return duplicateCount += 1 }
        failures.append(failure)
    }

    /// The paths that match a shell pattern, sorted; nil where the text is no pattern.
    private static func matches(of pattern: FilePath) -> [FilePath]? {
        guard pattern.bytes.contains(where: { "*?[{".utf8.contains($0) }) else { return nil }
        var found = glob_t()
        defer { globfree(&found) }
        guard pattern.withCString({ glob($0, GLOB_BRACE, nil, &found) }) == 0 else {
            errno = ENOENT
            return nil
        }
        return (0..<Int(found.gl_pathc)).compactMap { index in
            found.gl_pathv[index].map { path in
                FilePath(UnsafeRawBufferPointer(start: path, count: strlen(path)))
            }
        }
    }
}
