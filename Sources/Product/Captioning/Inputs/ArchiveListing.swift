// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// The pictures of an archive, each with the member that has its contents.
///
/// Links are followed.
struct ArchiveListing {
    /// A picture; entries are in the order of their contents.
    struct Entry {
        let name: [UInt8]
        let position: Int
        let header: MemberHeader
    }

    /// A member with a picture's name that cannot be read as one.
    struct Refusal {
        let name: [UInt8]
        let reason: String
    }

    private(set) var entries: [Entry] = []
    private(set) var refusals: [Refusal] = []
    /// Why the archive could not be read to its end; nil if it could.
    private(set) var failure: String?

    /// The longest chain of links, as in the file system.
    private static let longestChain = 40
    private static let slash = UInt8(ascii: "/")

    /// Reads an archive's headers.
    init(_ archive: FilePath) {
        var members: [ArchiveReader.Member] = []
        do {
            let reader = try ArchiveReader(archive)
            while let member = try reader.next() { members.append(member) }
        } catch {
            failure = error.reason
        }
        let pictures = members.filter { Self.isPicture($0) }
        let hasLinks = !pictures.allSatisfy(\.isFile)
        let byPath = hasLinks ? Self.byPath(members) : [:]
        for picture in pictures {
            do {
                let target = try Self.contents(of: picture, byPath)
                entries.append(
                    Entry(name: picture.name, position: target.position, header: target.header))
            } catch {
                refusals.append(Refusal(name: picture.name, reason: error.reason))
            }
        }
        // In this order one pass over the archive reads all contents.
        let order = entries.enumerated().sorted {
            ($0.element.position, $0.offset) < ($1.element.position, $1.offset)
        }
        entries = order.map(\.element)
    }

    private static func isPicture(_ member: ArchiveReader.Member) -> Bool {
        let path = FilePath(member.name)
        return member.kind != .folder && !path.isHidden
            && PictureReference.extensions.contains(path.fileExtension)
    }

    private static func byPath(
        _ members: [ArchiveReader.Member]
    ) -> [FilePath: ArchiveReader.Member] {
        let named = members.compactMap { member in
            path(member.name[...], in: FilePath("")).map { ($0, member) }
        }
        return Dictionary(named, uniquingKeysWith: { first, _ in first })
    }

    /// The member that has a picture's contents.
    private static func contents(
        of picture: ArchiveReader.Member, _ byPath: [FilePath: ArchiveReader.Member]
    ) throws(ArchiveReader.Failure) -> ArchiveReader.Member {
        let steps = picture.name.split(separator: slash)
        guard picture.name.first != slash, !steps.contains(where: { $0.elementsEqual("..".utf8) })
        else {
            throw ArchiveReader.Failure(reason: "its name leads out of the archive")
        }
        var member = picture
        for _ in 0..<longestChain {
            let target: (text: [UInt8], path: FilePath?)
            switch member.kind {
            case .file: return member
            case .folder: throw ArchiveReader.Failure(reason: "is a link to a folder")
            case .other:
                throw ArchiveReader.Failure(reason: "is neither a file nor a link to one")
            case .hardLink(let name): target = (name, path(name[...], in: FilePath("")))
            case .symbolicLink(let text):
                target = (text, path(text[...], in: FilePath(member.name).folder))
            }
            guard let path = target.path, let next = byPath[path] else {
                throw ArchiveReader.Failure(
                    reason:
                        "is a link to \(FilePath(target.text).text), which the archive does not have"
                )
            }
            member = next
        }
        throw ArchiveReader.Failure(reason: "is a link that leads to itself")
    }

    /// A path relative to the archive's root, without dots; nil if it leads out of the archive.
    private static func path(_ path: ArraySlice<UInt8>, in folder: FilePath) -> FilePath? {
        guard path.first != slash else { return nil }
        var steps: [ArraySlice<UInt8>] = []
        for step in folder.bytes.split(separator: slash) + path.split(separator: slash) {
            if step == Array(".".utf8)[...] { continue }
            if step == Array("..".utf8)[...] {
                guard steps.popLast() != nil else { return nil }
            } else {
                steps.append(step)
            }
        }
        return FilePath(steps.joined(separator: [slash]))
    }
}
