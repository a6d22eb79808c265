// SPDX-License-Identifier: Apache-2.0
import FileOutput
import TensorOps
import WorkerPool

extension StoredPanels {
    /// A matrix to be written to a file.
    typealias NamedMatrix = (name: String, firstRow: Int, matrix: PackedMatrix)

    /// Writes matrices to a temporary file, which replaces `path` when it is complete and on disk.
    ///
    /// Missing folders are made.
    ///
    /// - Parameters:
    ///   - pool: the threads that compute checksums.
    ///   - onProgress: called with the part that is written, 0 to 1.
    static func write(
        _ matrices: [NamedMatrix], source: String, to path: String, _ pool: WorkerPool,
        onProgress: (Double) -> Void = { _ in }
    ) throws(FileOutputError) {
        let index = PanelCacheIndex(
            source: source,
            matrices: matrices.map { named in
                PanelCacheIndex.Matrix(
                    name: named.name, firstRow: named.firstRow, shape: named.matrix.shape,
                    checksum: PanelChecksum.of(named.matrix.bytes, pool))
            })
        let file = try OutputFile(FilePath(path), makesFolders: true)
        let head = index.encoded()
        try file.append(head)
        var length = head.count
        for (entry, named) in zip(index.entries, matrices) {
            try file.append(repeatElement(UInt8(0), count: entry.offset - length))
            try file.append(named.matrix.bytes)
            length = entry.offset + entry.shape.byteCount
            onProgress(Double(length) / Double(index.fileBytes))
        }
        try file.finish()
    }
}
