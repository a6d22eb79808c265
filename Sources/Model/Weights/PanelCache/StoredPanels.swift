// SPDX-License-Identifier: Apache-2.0
import TensorOps
import WorkerPool

/// A file of packed matrices, which live as long as it is mapped.
struct StoredPanels {
    private let file: CacheFile
    private let entries: [String: [PanelCacheEntry]]

    /// Maps a cache file of the given source.
    init(path: String, source: String) throws(CacheFile.Refusal) {
        file = try CacheFile(path: path)
        guard let index = PanelCacheIndex(file.bytes) else { throw .damaged }
        guard index.source == source else { throw .stale }
        entries = Dictionary(grouping: index.entries, by: \.name)
        // The whole file is read in order, layer by layer.
        file.file.readAhead()
    }

    /// The panels of a matrix, or nil if the file lacks it in that shape.
    ///
    /// - Parameter pool: the threads that compare the panels with their checksum.
    /// - Throws: `CacheFile.Refusal.damaged` where they differ.
    func matrix(
        _ weight: WeightMatrix, _ shape: PackedShape, _ pool: WorkerPool
    ) throws(CacheFile.Refusal) -> PackedMatrix? {
        let entry = entries[weight.name]?.first {
            $0.firstRow == weight.firstRow && $0.shape == shape
        }
        guard let entry, let start = file.bytes.baseAddress else { return nil }
        let matrix = PackedMatrix(shape, panels: start + entry.offset, owner: file.file)
        guard PanelChecksum.of(matrix.bytes, pool) == entry.checksum else { throw .damaged }
        return matrix
    }
}
