// SPDX-License-Identifier: Apache-2.0
import FileOutput
import GGUF
import TensorOps
import WorkerPool

/// A cache file, mapped read-only: its matrices live as long as this object.
///
/// Other processes replace the file and never write into it.
final class StoredPanels: Sendable {
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

    private let file: MappedFile
    private let entries: [String: [PanelCacheEntry]]

    /// Maps a cache file of the given source.
    init(path: String, source: String) throws(Refusal) {
        do throws(MappedFile.Refusal) {
            file = try MappedFile(path: path)
        } catch {
            switch error {
            case .missing: throw .missing
            case .unreadable(let reason): throw .unreadable(reason: reason)
            case .notFile, .empty: throw .damaged
            }
        }
        file.readAhead()
        guard let index = PanelCacheIndex(file.bytes) else { throw .damaged }
        guard index.source == source else { throw .stale }
        entries = Dictionary(grouping: index.entries, by: \.name)
    }

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
        guard let entry, let start = file.bytes.baseAddress else { return nil }
        let matrix = PackedMatrix(shape, panels: start + entry.offset, owner: self)
        guard PanelChecksum.of(matrix.bytes, pool) == entry.checksum else { throw .damaged }
        return matrix
    }
}
