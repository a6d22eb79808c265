// SPDX-License-Identifier: Apache-2.0
import FileOutput
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Finds the pictures in files, folders, patterns and archives, each once and in a fixed order.
public struct PictureInputs {
    /// The pictures, in the order of the inputs; those of a folder by the bytes of their names.
    public private(set) var pictures: [PictureReference] = []
    /// Inputs that cannot be read or do not exist.
    public private(set) var failures: [InputFailure] = []
    /// The number of repeated pictures.
    public private(set) var duplicateCount = 0

    private let isRecursive: Bool
    private let shard: Shard?
    /// The places of pictures, independent of the spelling of their paths.
    let places = PicturePlaces()
    private var seen: Set<FilePath> = []
    private var seenFailures: Set<InputFailure> = []
    private var seenFolders: Set<FileIdentity> = []
    /// The pictures and failures found so far, including repeated ones and those of other parts.
    private var foundCount = 0
    /// Subfolders that were not searched, of folders whose pictures were asked for.
    public private(set) var unsearchedCount = 0

    /// No pictures yet.
    ///
    /// - Parameters:
    ///   - isRecursive: whether to search subfolders.
    ///   - shard: the part of the pictures to take; nil for all.
    public init(isRecursive: Bool, shard: Shard? = nil) {
        self.isRecursive = isRecursive
        self.shard = shard
    }

    /// Adds the pictures of an argument: a file, a folder, an archive or, if nothing has that name, a pattern.
    public mutating func add(_ input: FilePath) {
        if let status = FileStatus(input) {
            add(input, status)
        } else if errno == ENOENT, let matches = Self.matches(of: input) {
            for match in matches { addNamed(match) }
        } else {
            fail(input, systemReason())
        }
    }

    /// Adds a file, a folder or an archive of exactly this name, as in a list.
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

    /// Adds a folder that the user named.
    ///
    /// A folder without pictures is a failure.
    private mutating func addNamedFolder(_ folder: FilePath, _ identity: FileIdentity) {
        let (found, unsearched) = (foundCount, unsearchedCount)
        addFolder(folder, identity, root: folder)
        guard foundCount == found else { return }
        fail(
            folder,
            unsearchedCount == unsearched
                ? "has no pictures"
                : "has no pictures itself, and its subfolders were not searched")
    }

    /// Adds the failure of an empty list.
    public mutating func addEmptyList(_ list: FilePath) {
        fail(FilePath(UserText.name(of: list.bytes)), "names no pictures")
    }

    /// Adds a folder's pictures and, if asked for, those of its subfolders, links last.
    private mutating func addFolder(
        _ folder: FilePath, _ identity: FileIdentity, root: FilePath
    ) {
        if isRecursive {
            // Following a link that leads back here would never end.
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
            } else if entry.mayBeFolder, isRecursive, entry.isFolder || errno != ENOENT {
                // For example, the path is longer than the system's limit. Links to nothing are no folders.
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

    /// The paths that match a shell pattern, sorted; nil if the text is not a pattern.
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
