// SPDX-License-Identifier: Apache-2.0

/// A checksum that detects accidents but not attackers: 64-bit FNV-1a (draft-eastlake-fnv).
public func fingerprint(of bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return hash
}

/// The checksum of a text's UTF-8.
public func fingerprint(of text: String) -> UInt64 {
    Array(text.utf8).withUnsafeBytes { fingerprint(of: $0) }
}

/// Identifies a version of a file without reading its tensors.
public struct FileIdentity: Sendable, Equatable {
    /// Bytes of the file.
    public let byteCount: Int
    /// The last change, in nanoseconds since 1970.
    public let modificationTime: Int
    /// The file's number in its file system.
    public let inode: UInt64
    /// The fingerprint of metadata and tensor table.
    public let header: UInt64
}
