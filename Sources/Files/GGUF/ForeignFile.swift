// SPDX-License-Identifier: Apache-2.0

/// Files that people mistake for GGUF files, recognised by their first bytes.
public enum ForeignFile: Sendable, Equatable {
    /// The placeholder of a large file in a Git repository that was cloned without Git LFS.
    case gitLFSPointer
    /// A web page, which a download saves when it needs a login or another address.
    case webPage
    /// Weights in the safetensors format.
    case safetensors
    /// A Python pickle, such as an older PyTorch checkpoint.
    case pickle
    /// A ZIP archive, such as a PyTorch checkpoint.
    case zip
    /// One of ggml's formats before GGUF.
    case olderGGML
    /// A compressed file or an archive; the associated value names the format.
    case archive(String)
    /// A picture; the associated value names the format.
    case picture(String)
    /// Text, with its first line, shortened.
    case text(String)

    /// Recognises a file by its first bytes; nil if they are unknown.
    init?(start bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        if bytes.starts(with: "version https://git-lfs.github.com/".utf8) {
            self = .gitLFSPointer
        } else if Self.isWebPage(bytes) {
            self = .webPage
        } else if bytes.count > 9, bytes[8...].starts(with: "{\"".utf8),
            bytes[4..<8] == [0, 0, 0, 0]
        {
            // Eight bytes with the length of a JSON header, then the header.
            self = .safetensors
        } else if let known = Self.signatures.first(where: { bytes.starts(with: $0.bytes) }) {
            self = known.kind
        } else if bytes.count > 262, bytes[257...].starts(with: "ustar".utf8) {
            self = .archive("tar")
        } else if let line = Self.firstLine(of: bytes) {
            self = .text(line)
        } else {
            return nil
        }
    }

    private static let signatures: [(bytes: [UInt8], kind: ForeignFile)] = [
        (Array("PK\u{3}\u{4}".utf8), .zip),
        ([0x80, 0x02], .pickle), ([0x80, 0x03], .pickle),
        ([0x80, 0x04], .pickle), ([0x80, 0x05], .pickle),
        // 32-bit magic numbers in little-endian order: ggml, ggmf, ggjt, ggla.
        (Array("lmgg".utf8), .olderGGML), (Array("fmgg".utf8), .olderGGML),
        (Array("tjgg".utf8), .olderGGML), (Array("algg".utf8), .olderGGML),
        ([0x1F, 0x8B], .archive("gzip")), ([0x28, 0xB5, 0x2F, 0xFD], .archive("Zstandard")),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], .archive("xz")),
        (Array("BZh".utf8), .archive("bzip2")),
        ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], .archive("7z")),
        (Array("Rar!".utf8), .archive("RAR")),
        ([0x89, 0x48, 0x44, 0x46], .archive("HDF5")),
        ([0xFF, 0xD8, 0xFF], .picture("JPEG")), ([0x89, 0x50, 0x4E, 0x47], .picture("PNG")),
    ]

    /// Whether an HTML document begins, after a byte order mark and white space.
    private static func isWebPage(_ bytes: [UInt8]) -> Bool {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let text = bytes.starts(with: mark) ? bytes[3...] : bytes[...]
        let page = text.drop { [9, 10, 13, 32].contains($0) }.prefix(15).map { byte in
            (65...90).contains(byte) ? byte | 32 : byte
        }
        return ["<!doctype html", "<html", "<head", "<!--", "<?xml"]
            .contains { page.starts(with: $0.utf8) }
    }

    /// The first line of a text without control characters; nil for other bytes.
    private static func firstLine(of bytes: [UInt8]) -> String? {
        let line = bytes.prefix { $0 != 10 && $0 != 13 }.prefix(64)
        guard line.count >= 4, line.allSatisfy({ (32...126).contains($0) }) else { return nil }
        return String(decoding: line, as: UTF8.self)
    }
}

extension ForeignFile: CustomStringConvertible {
    /// What the file is, and what to do about it.
    public var description: String {
        switch self {
        case .gitLFSPointer:
            "a Git LFS pointer, the placeholder of the file; \"git lfs pull\" fetches the file"
        case .webPage:
            "a web page, which was downloaded instead of the file"
        case .safetensors:
            "weights in the safetensors format; convert them to GGUF first"
        case .pickle:
            "a Python pickle, as PyTorch's checkpoints are; convert it to GGUF first"
        case .zip:
            "a ZIP archive, as PyTorch's checkpoints are; convert or unpack it first"
        case .olderGGML:
            "in one of ggml's formats before GGUF; download a GGUF file, or convert this one"
        case .archive(let kind):
            "a \(kind) file; unpack it first"
        case .picture(let format):
            "a \(format) picture"
        case .text(let line):
            "a text that begins with \"\(line)\""
        }
    }
}
