// SPDX-License-Identifier: Apache-2.0
public import BlockFormats
public import KernelInterface
import WeightPanels

/// The size of a packed matrix and the layout of its panels.
public struct PackedShape: Sendable, Equatable {
    /// The panels' layout.
    public let kind: PanelKind
    /// Rows of the matrix.
    public let outputs: Int
    /// Columns of the matrix.
    public let inputs: Int

    /// The version of all panel layouts; panels of other versions are unreadable.
    public static let layoutVersion = PanelKind.layoutVersion

    init(kind: PanelKind, outputs: Int, inputs: Int) {
        self.kind = kind
        self.outputs = outputs
        self.inputs = inputs
    }

    /// A shape from a file, or nil if no matrix can have it.
    ///
    /// - Parameter kind: the raw value of a `PanelKind`.
    public init?(kind: Int, outputs: Int, inputs: Int) {
        // No model has 2^30 rows or columns, and products below that do not overflow.
        guard let kind = PanelKind(rawValue: kind), (1...1 << 30).contains(outputs),
            (1...1 << 30).contains(inputs)
        else { return nil }
        self.init(kind: kind, outputs: outputs, inputs: inputs)
    }

    /// The shape of a matrix in the given format, whose last block of a row may be partly empty.
    ///
    /// Nil for rows shorter than a block, of which padding would be the larger part.
    public init?(_ format: BlockFormat, outputs: Int, inputs: Int) {
        guard inputs >= format.blockLength else { return nil }
        self.init(kind: PanelKind(format), outputs: outputs, inputs: inputs)
    }

    /// The shape of a matrix after packing, in its own format or rounded to another.
    public init?(packing matrix: WeightMatrix, roundedTo format: BlockFormat? = nil) {
        self.init(format ?? matrix.format, outputs: matrix.outputs, inputs: matrix.inputs)
    }

    /// Panels of 32 outputs; the last may be partly empty.
    var panelCount: Int { (outputs + PanelKind.columns - 1) / PanelKind.columns }

    /// Bytes that the panels take.
    public var byteCount: Int { panelCount * kind.panelBytes(inputs) }
}

/// A weight matrix in the panels that kernels read.
public final class PackedMatrix: @unchecked Sendable {
    /// Its size and layout.
    public let shape: PackedShape

    let superblocks: Int
    private let panelBytes: Int
    private let panels: UnsafeRawPointer  // [⌈outputs / 32⌉] panels
    private let owner: any AnyObject & Sendable

    /// A view of `shape.byteCount` bytes of panels, aligned to cache lines, which `owner` keeps alive.
    public init(
        _ shape: PackedShape, panels: UnsafeRawPointer, owner: any AnyObject & Sendable
    ) {
        self.shape = shape
        self.panels = panels
        self.owner = owner
        superblocks = shape.kind.superblocks(shape.inputs)
        panelBytes = shape.kind.panelBytes(shape.inputs)
    }

    /// The panels' layout.
    public var kind: PanelKind { shape.kind }
    /// Rows of the matrix.
    public var outputs: Int { shape.outputs }
    /// Columns of the matrix.
    public var inputs: Int { shape.inputs }

    /// All panels.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: panels, count: shape.byteCount)
    }

    var panelCount: Int { shape.panelCount }

    func panel(_ index: Int) -> UnsafeRawPointer { panels + index * panelBytes }

    /// Panels without unused columns.
    var fullPanelCount: Int { outputs / PanelKind.columns }

    /// The outputs of neighbouring panels.
    func outputs(ofPanels panels: Range<Int>) -> Range<Int> {
        let columns = PanelKind.columns
        return (panels.lowerBound * columns)..<min(panels.upperBound * columns, outputs)
    }
}

/// Why a matrix cannot be packed.
public enum PackingError: Error, Equatable {
    /// A scale of a row is non-finite.
    case notFinite(tensor: String, row: Int)
    /// The system does not grant the memory.
    case noMemory(tensor: String, bytes: Int)
}

extension TensorOps {
    /// Rearranges a matrix into panels on all threads, and releases the file's pages.
    ///
    /// - Throws: `PackingError`.
    public func pack(_ matrix: WeightMatrix) throws(PackingError) -> PackedMatrix {
        let shape = PackedShape(
            kind: PanelKind(matrix.format), outputs: matrix.outputs, inputs: matrix.inputs)
        let packer = PanelPacker(matrix.format, inputs: matrix.inputs)
        let packed = try pack(name: matrix.name, shape) { outputs, panel, _ in
            packer.pack(matrix.storedRow(outputs.lowerBound), count: outputs.count, into: panel)
        }
        matrix.releasePages()
        return packed
    }

    /// Rounds a matrix to blocks of another format, on all threads, and releases the file's pages.
    ///
    /// Zeros after a row's end fill its last block; they change neither the block's scale nor a product.
    ///
    /// - Parameter encoding: the format that floats are rounded to.
    /// - Returns: nil where rows are shorter than a block.
    /// - Throws: `PackingError`.
    public func packRounded(
        _ matrix: WeightMatrix, to encoding: BlockEncoding = .q8_0
    ) throws(PackingError) -> PackedMatrix? {
        guard matrix.format != encoding.format else { return try pack(matrix) }
        guard let shape = PackedShape(packing: matrix, roundedTo: encoding.format) else {
            return nil
        }
        let blockLength = encoding.format.blockLength
        let padded = (matrix.inputs + blockLength - 1) / blockLength * blockLength
        let packer = PanelPacker(encoding.format, inputs: padded)
        let rowBytes = encoding.format.byteCount(of: padded)
        let packed = try pack(name: matrix.name, shape) { outputs, panel, thread in
            let floats = scratch.floats(padded, thread: thread)
            (floats + matrix.inputs).update(repeating: 0, count: padded - matrix.inputs)
            let blocks = buffers.take(outputs.count * rowBytes)
            defer { buffers.giveBack(blocks) }
            // Row by row, so that the floats stay in the first cache.
            for (place, row) in outputs.enumerated() {
                decode(row, of: matrix, into: floats)
                encoding.encode(floats, count: padded, into: blocks.start + place * rowBytes)
            }
            return packer.pack(blocks.start, count: outputs.count, into: panel)
        }
        matrix.releasePages()
        return packed
    }

    /// Decodes one row; vision towers come in half precision, for which there is a kernel.
    private func decode(
        _ row: Int, of matrix: WeightMatrix, into floats: UnsafeMutablePointer<Float>
    ) {
        guard matrix.format == .f16 else {
            return matrix.decode(rows: row..<(row + 1), into: floats)
        }
        kernels.floatsFromHalves(
            matrix.storedRow(row).assumingMemoryBound(to: UInt16.self), floats, matrix.inputs)
    }

    /// Calls `fill` for every panel on all threads; it returns the first bad row, counted in the panel.
    func pack(
        name: String, _ shape: PackedShape,
        fill: (_ outputs: Range<Int>, _ panel: UnsafeMutableRawPointer, _ thread: Int) -> Int?
    ) throws(PackingError) -> PackedMatrix {
        guard let memory = panelMemory.take(shape.byteCount) else {
            throw .noMemory(tensor: name, bytes: shape.byteCount)
        }
        let packed = PackedMatrix(
            shape, panels: UnsafeRawPointer(memory.start), owner: memory.owner)
        let panelBytes = shape.kind.panelBytes(shape.inputs)
        let firstBadRow = LowestValue()
        pool.forEach(shape.panelCount) { index, thread in
            let range = packed.outputs(ofPanels: index..<(index + 1))
            if let row = fill(range, memory.start + index * panelBytes, thread) {
                firstBadRow.lower(to: range.lowerBound + row)
            }
        }
        if let row = firstBadRow.value { throw .notFinite(tensor: name, row: row) }
        return packed
    }
}
