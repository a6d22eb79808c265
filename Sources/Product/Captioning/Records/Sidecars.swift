// SPDX-License-Identifier: Apache-2.0
import FileOutput
import UserText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Text files with captions, each named after its picture, beside it or in another folder.
///
/// They follow the convention of kohya-ss/sd-scripts: `a/b.jpg` has `a/b.txt` in UTF-8, with a line end after
/// the caption.
public struct Sidecars: Sendable {
    /// What happens to an existing sidecar.
    public enum Existing: String, CaseIterable, Sendable {
        /// The picture is skipped.
        case skip
        /// The caption replaces it.
        case overwrite
        /// The caption becomes its last line.
        case append
        /// The caption becomes its first line.
        case prepend
    }

    private let suffix: String
    private let folder: FilePath?
    private let existing: Existing
    private let sources: SourceFolders
    private let joint: String

    /// - Parameters:
    ///   - suffix: the extension with its dot, which replaces the picture's.
    ///   - folder: the folder for the sidecars; nil puts them beside the pictures.
    ///   - sources: the input folders. The sidecars of several input folders stay apart in `folder`.
    ///   - joint: the text between the captions of several prompts.
    public init(
        suffix: String, in folder: FilePath?, existing: Existing, sources: [FilePath] = [],
        joint: String = Sidecars.lineEnd
    ) {
        self.suffix = suffix
        self.folder = folder
        self.existing = existing
        self.sources = SourceFolders(sources)
        self.joint = joint
    }

    /// The default text between the captions of several prompts.
    public static let lineEnd = "\n"

    /// The path of a picture's sidecar.
    ///
    /// Sidecars of an archive's members go to a folder with the archive's name beside it.
    public func path(for picture: PictureReference) -> FilePath {
        let beside =
            switch picture.place {
            case .file: picture.path
            case .member(let archive, _, _):
                archive.withoutArchiveExtension.appending(
                    picture.path.bytes.dropFirst(archive.bytes.count + 1))
            }
        let picture = folder.map { $0.appending(sources.place(of: picture).bytes) } ?? beside
        return picture.withoutExtension.adding(suffix)
    }

    /// The content of a sidecar: the caption, or the joined captions of all prompts.
    func text(of captions: [Int: String]) -> String { Self.text(of: captions, joint) }

    /// The caption, or the captions of all prompts without their line ends, joined by `joint`.
    static func text(of captions: [Int: String], _ joint: String) -> String {
        let ordered = captions.sorted { $0.key < $1.key }.map(\.value)
        guard ordered.count > 1 else { return ordered.first ?? "" }
        return ordered.map { caption in
            caption.split(whereSeparator: \.isNewline).joined(separator: " ")
        }.joined(separator: joint)
    }

    /// The folder for the sidecars or, if they go beside the pictures, the folders of the inputs.
    func folders(of inputs: [FilePath]) -> Set<FilePath> {
        if let folder { return [folder] }
        let folders = inputs.compactMap { input in
            FileStatus(input).map { $0.kind == .folder ? input : input.folder }
        }
        return Set(folders.compactMap { $0.resolved() })
    }

    /// What is where a picture's sidecar goes.
    enum Place: Equatable {
        case free
        /// A file, which may be an earlier sidecar.
        case file
        /// Something that prevents a sidecar.
        case blocked(reason: String)
    }

    /// Examines the place of a picture's sidecar.
    ///
    /// - Parameter taken: the sidecars of the pictures so far; this one is added.
    func place(
        for picture: PictureReference, _ taken: inout [FilePath: FilePath]
    ) -> Place {
        let path = path(for: picture)
        if path.name.count > Int(NAME_MAX) {
            return .blocked(reason: "its sidecar's name would be too long")
        }
        if let other = taken[path] {
            return .blocked(reason: "its sidecar would also be that of \(other.text)")
        }
        let kind: FileStatus.Kind?
        do { kind = try FileStatus.lookedUp(path)?.kind } catch {
            return .blocked(reason: "its sidecar cannot be written: \(error)")
        }
        switch kind {
        case .folder:
            return .blocked(reason: "its sidecar cannot be written: \(path.text) is a folder")
        case .other:
            return .blocked(
                reason: "its sidecar cannot be written: \(path.text) is not a regular file")
        case .file, nil: break
        }
        taken[path] = picture.path
        return kind == nil ? .free : .file
    }

    /// Why a sidecar cannot be written, checked before its caption is generated; nil if nothing prevents it.
    func refusal(for picture: PictureReference) -> String? {
        let folder = path(for: picture).folder
        guard FileStatus(folder) != nil, folder.withCString({ access($0, W_OK) }) != 0 else {
            return nil
        }
        return "its sidecar cannot be written: \(folder.text): \(systemReason())"
    }

    /// Whether pictures with sidecars are skipped.
    var areSkipped: Bool { existing == .skip }

    /// Writes a picture's caption.
    ///
    /// Nobody ever sees half of it.
    ///
    /// Appending or prepending converts the sidecar to UTF-8 without a byte order mark, with LF as line end.
    ///
    /// - Throws: `CaptioningError.unwritable`, `.outOfSpace`, `.unreadable`, `.text`.
    func write(_ caption: String, for picture: PictureReference) throws(CaptioningError) {
        let path = path(for: picture)
        var text = caption + "\n"
        if existing == .append || existing == .prepend,
            try FileStatus.present(path) != nil
        {
            let old: String
            do {
                old = try UserText.text(at: path.bytes)
            } catch {
                throw .text(error)
            }
            guard !holds(old, text) else { return }
            let ending = old.isEmpty || old.hasSuffix("\n") ? "" : "\n"
            text = existing == .append ? old + ending + text : text + old
        }
        try writing { () throws(FileOutputError) in
            try OutputFile.write(text.utf8, to: path, makesFolders: true)
        }
    }

    /// Writes the sidecar of a recorded caption, if it is missing.
    ///
    /// - Parameter mayBeOld: whether an existing sidecar may be older than the record, because the run may have
    ///   ended between the two.
    func restore(
        _ caption: String, for picture: PictureReference, mayBeOld: Bool
    ) throws(CaptioningError) {
        let isThere = try FileStatus.present(path(for: picture)) != nil
        if !isThere || mayBeOld && existing != .skip { try write(caption, for: picture) }
    }

    private func holds(_ old: String, _ text: String) -> Bool {
        let isWhole = old == text
        return isWhole
            || (existing == .append ? old.hasSuffix("\n" + text) : old.hasPrefix(text))
    }
}
