// SPDX-License-Identifier: Apache-2.0
import Crypto

/// How the content of a file is compared with its name in the cache.
///
/// Large files are named by their SHA-256, small ones by the SHA-1 of Git's blob. Other servers may have other names.
enum ContentCheck: Equatable {
    case sha256(String)
    case gitBlob(String)
    /// The name says nothing about the content.
    case none

    init(_ name: String) {
        if name.wholeMatch(of: /[0-9a-f]{64}/) != nil {
            self = .sha256(name)
        } else if name.wholeMatch(of: /[0-9a-f]{40}/) != nil {
            self = .gitBlob(name)
        } else {
            self = .none
        }
    }
}

/// The hash of a content that comes piece by piece.
struct RunningHash {
    private enum Function {
        case sha256(SHA256)
        case sha1(Insecure.SHA1)
        case none
    }

    private let check: ContentCheck
    private var function: Function

    /// - Parameter size: the bytes of the whole content, which Git's hash includes.
    init(_ check: ContentCheck, size: Int) {
        self.check = check
        switch check {
        case .sha256: function = .sha256(SHA256())
        case .gitBlob:
            var hash = Insecure.SHA1()
            hash.update(data: Array("blob \(size)\0".utf8))
            function = .sha1(hash)
        case .none: function = .none
        }
    }

    /// Adds the next bytes.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        switch function {
        case .sha256(var hash):
            function = .none
            hash.update(bufferPointer: bytes)
            function = .sha256(hash)
        case .sha1(var hash):
            function = .none
            hash.update(bufferPointer: bytes)
            function = .sha1(hash)
        case .none: break
        }
    }

    /// What was announced and what came, if they differ.
    var difference: (expected: String, found: String)? {
        switch (check, function) {
        case (.sha256(let expected), .sha256(let hash)):
            Self.difference("SHA-256", expected, hash.finalize())
        case (.gitBlob(let expected), .sha1(let hash)):
            Self.difference("SHA-1", expected, hash.finalize())
        default: nil
        }
    }

    private static func difference(
        _ function: String, _ expected: String, _ digest: some Digest
    ) -> (expected: String, found: String)? {
        let digits = Array("0123456789abcdef")
        let found = String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
        return found == expected ? nil : ("\(function) \(expected)", found)
    }
}
