// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import FileOutput

/// A tensor of a GGUF file: a view into the mapped file, which it keeps alive.
public struct GGUFTensor: Sendable {
    /// The name, such as `blk.0.attn_q.weight`.
    public let name: String

    /// How the elements are stored.
    public let format: BlockFormat

    /// The extents as the file has them, innermost first: a matrix of `out` rows is [in, out].
    public let shape: [Int]

    /// The product of `shape`.
    public let elementCount: Int

    /// Bytes of the stored elements.
    public let byteCount: Int

    /// Where the elements start, in bytes from the start of `fileName`.
    public let fileOffset: Int

    private let file: MappedFile

    /// A tensor whose bytes lie inside the file.
    init(entry: TensorEntry, fileOffset: Int, file: MappedFile) {
        name = entry.name
        format = entry.format
        shape = entry.shape
        elementCount = entry.elementCount
        byteCount = entry.byteCount
        self.fileOffset = fileOffset
        self.file = file
    }

    /// The file that holds the tensor: one of the parts of a split file.
    public var fileName: String { file.path }

    /// The stored elements, at any alignment; valid while the tensor or its `GGUFFile` lives.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[fileOffset..<fileOffset + byteCount])
    }

    /// All elements, decoded exactly, in the order of the file.
    public func floats() -> [Float] {
        [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
            if let source = bytes.baseAddress, let destination = buffer.baseAddress {
                format.decode(source, count: elementCount, into: destination)
            }
            count = elementCount
        }
    }
}
