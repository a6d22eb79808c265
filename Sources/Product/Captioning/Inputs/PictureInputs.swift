// SPDX-License-Identifier: Apache-2.0

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
    /// Where pictures are, with the links in their folders' paths resolved.
    private var seen: Set<FilePath> = []
    private var seenFailures: Set<InputFailure> = []
    private var seenFolders: Set<FileIdentity> = []
    private var resolvedFolders: [FilePath: FilePath] = [:]

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
        case .file: addPicture(path)
        case .folder: addFolder(path, status.identity, root: path)
        case .other: fail(path, "is neither a file nor a folder")
        }
    }

    private mutating func addPicture(_ path: FilePath, below root: FilePath? = nil) {
        let folder = resolved(path.folder)
        take(PictureReference(path: path, below: root), at: folder.appending(path.name))
    }

    private mutating func take(_ picture: PictureReference, at place: FilePath) {
        guard seen.insert(place).inserted else { return duplicateCount += 1 }
        if shard?.contains(picture.path) ?? true { pictures.append(picture) }
    }

    private mutating func resolved(_ folder: FilePath) -> FilePath {
        if let known = resolvedFolders[folder] { return known }
        let resolved = folder.resolved() ?? folder
        resolvedFolders[folder] = resolved
        return resolved
    }

    /// Adds a folder's pictures, and where that is asked for those of the folders in it, links last.
    private mutating func addFolder(
        _ folder: FilePath, _ identity: FileIdentity, root: FilePath
    ) {
        if isRecursive {
            // A link that leads back here would never end.
            guard seenFolders.insert(identity).inserted else { return }
        }
        guard let entries = FolderEntry.entries(of: folder) else {
            return fail(folder, systemReason())
        }
        var folders: [(path: FilePath, isLink: Bool, identity: FileIdentity)] = []
        for entry in entries where !entry.path.isHidden {
            if PictureReference.extensions.contains(entry.path.fileExtension), !entry.isFolder {
                addPicture(entry.path, below: root)
            } else if isRecursive, entry.mayBeFolder, let status = FileStatus(entry.path),
                status.kind == .folder
            {
                folders.append((entry.path, entry.isLink, status.identity))
            }
        }
        for entry in folders.filter({ !$0.isLink }) + folders.filter(\.isLink) {
            addFolder(entry.path, entry.identity, root: root)
        }
    }

    private mutating func addMembers(of archive: FilePath) {
        let place = resolved(archive.folder).appending(archive.name)
        do {
            let reader = try ArchiveReader(archive)
            while let member = try reader.next() {
                let path = FilePath(member.name)
                guard member.isFile, !path.isHidden,
                    PictureReference.extensions.contains(path.fileExtension)
                else { continue }
                let picture = PictureReference(
                    path: archive.appending(member.name),
                    place: .member(
                        archive: archive, position: member.position, version: member.version))
                take(picture, at: place.appending(member.name))
            }
        } catch {
            fail(archive, error.reason)
        }
    }

    private mutating func fail(_ path: FilePath, _ reason: String) {
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
