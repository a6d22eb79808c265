// SPDX-License-Identifier: Apache-2.0
import FileOutput
import GGUF
import TensorOps
import WorkerPool

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A cache file, mapped read-only: its matrices live as long as this object.
///
/// Other processes replace the file and never write into it.
final class StoredPanels: @unchecked Sendable {
    /// Why a file is not used.
    enum Refusal: Error, Equatable {
        /// There is no file.
        case missing
        /// It cannot be read.
        case unreadable(reason: String)
        /// It is truncated, changed, or of another version of this program.
        case damaged
        /// It was made from another file, or from an earlier version of the file.
        case stale
    }

    private let bytes: UnsafeRawBufferPointer
    private let entries: [String: [PanelCacheEntry]]

    /// Maps a cache file of the given source.
    init(path: String, source: String) throws(Refusal) {
        bytes = try Self.map(path)
        guard let index = PanelCacheIndex(bytes) else {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
            throw .damaged
        }
        guard index.source == source else {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
            throw .stale
        }
        entries = Dictionary(grouping: index.entries, by: \.name)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// The panels of a matrix, or nil if the file lacks it in that shape.
    ///
    /// - Parameter pool: the threads that compare the panels with their checksum.
    /// - Throws: `Refusal.damaged` where they differ.
    func matrix(
        _ weight: WeightMatrix, _ shape: PackedShape, _ pool: WorkerPool
    ) throws(Refusal) -> PackedMatrix? {
        let entry = entries[weight.name]?.first {
            $0.firstRow == weight.firstRow && $0.shape == shape
        }
        guard let entry, let start = bytes.baseAddress else { return nil }
        let matrix = PackedMatrix(shape, panels: start + entry.offset, owner: self)
        guard PanelChecksum.of(matrix.bytes, pool) == entry.checksum else { throw .damaged }
        return matrix
    }

    private static func map(_ path: String) throws(Refusal) -> UnsafeRawBufferPointer {
        // Without O_NONBLOCK, opening a named pipe would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let isMissing = errno == ENOENT || errno == ENOTDIR
            throw isMissing ? .missing : .unreadable(reason: systemReason())
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(reason: systemReason()) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { throw .damaged }
        let count = Int(status.st_size)
        guard let address = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0),
            address != MAP_FAILED
        else { throw .unreadable(reason: systemReason()) }
        // The whole file is read in order, layer by layer, so a slow disk can start at once.
        madvise(address, count, Int32(MADV_WILLNEED))
        return UnsafeRawBufferPointer(start: address, count: count)
    }
}
