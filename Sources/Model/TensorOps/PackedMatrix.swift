// SPDX-License-Identifier: Apache-2.0
import BlockFormats
public import Kernels
import WeightPanels

/// A weight matrix in the panels that kernels read.
public final class PackedMatrix: @unchecked Sendable {
    /// The panels' layout.
    public let kind: PanelKind
    /// Rows of the matrix.
    public let outputs: Int
    /// Columns of the matrix.
    public let inputs: Int

    let superblocks: Int
    private let panelBytes: Int
    private let panels: UnsafeRawPointer  // [⌈outputs / 32⌉] panels
    private let owner: any AnyObject & Sendable

    /// A view of `panels`, which `owner` keeps alive.
    init(
        kind: PanelKind, outputs: Int, inputs: Int, panels: UnsafeRawPointer,
        owner: any AnyObject & Sendable
    ) {
        self.kind = kind
        self.outputs = outputs
        self.inputs = inputs
        self.panels = panels
        self.owner = owner
        superblocks = kind.superblocks(inputs)
        panelBytes = kind.panelBytes(inputs)
    }

    /// Panels of 32 outputs; the last may be partly empty.
    var panelCount: Int { (outputs + PanelKind.columns - 1) / PanelKind.columns }

    /// Bytes that the panels take.
    public var byteCount: Int { panelCount * panelBytes }

    func panel(_ index: Int) -> UnsafeRawPointer { panels + index * panelBytes }

    /// The outputs of a panel.
    func outputs(ofPanel index: Int) -> Range<Int> {
        let first = index * PanelKind.columns
        return first..<min(first + PanelKind.columns, outputs)
    }
}

/// Why a matrix cannot be packed.
public enum PackingError: Error, Equatable {
    /// A scale of a row is an infinity or a NaN.
    case notFinite(tensor: String, row: Int)
    /// The system does not grant the memory.
    case noMemory(tensor: String, bytes: Int)
}

extension TensorOps {
    /// Rearranges a matrix into panels on all threads, and lets go of the file's pages.
    ///
    /// - Returns: nil for a matrix of floats, which has no panels.
    /// - Throws: `PackingError`.
    public func pack(_ matrix: WeightMatrix) throws(PackingError) -> PackedMatrix? {
        guard let packer = PanelPacker(matrix.format, inputs: matrix.inputs) else { return nil }
        let packed = try pack(
            name: matrix.name, kind: packer.kind, outputs: matrix.outputs, inputs: matrix.inputs
        ) { outputs, panel, _ in
            packer.pack(matrix.storedRow(outputs.lowerBound), count: outputs.count, into: panel)
        }
        matrix.releasePages()
        return packed
    }

    /// Rounds a matrix to bytes with a scale for each 32 inputs, on all threads, and lets go of the
    /// file's pages.
    ///
    /// - Returns: nil where the inputs are not a multiple of 32.
    /// - Throws: `PackingError`.
    public func packRounded(_ matrix: WeightMatrix) throws(PackingError) -> PackedMatrix? {
        guard matrix.format != .q8_0 else { return try pack(matrix) }
        guard matrix.inputs % BlockFormat.q8_0.blockLength == 0,
            let packer = PanelPacker(.q8_0, inputs: matrix.inputs)
        else { return nil }
        let rowBytes = BlockFormat.q8_0.byteCount(of: matrix.inputs)
        let packed = try pack(
            name: matrix.name, kind: packer.kind, outputs: matrix.outputs, inputs: matrix.inputs
        ) { outputs, panel, thread in
            let floats = scratch.floats(outputs.count * matrix.inputs, thread: thread)
            let blocks = buffers.take(outputs.count * rowBytes)
            defer { buffers.giveBack(blocks) }
            matrix.decode(rows: outputs, into: floats)
            encodeQ8_0(floats, count: outputs.count * matrix.inputs, into: blocks.start)
            return packer.pack(blocks.start, count: outputs.count, into: panel)
        }
        matrix.releasePages()
        return packed
    }

    /// Calls `fill` for every panel on all threads; it returns the first bad row, counted in the panel.
    func pack(
        name: String, kind: PanelKind, outputs: Int, inputs: Int,
        fill: (_ outputs: Range<Int>, _ panel: UnsafeMutableRawPointer, _ thread: Int) -> Int?
    ) throws(PackingError) -> PackedMatrix {
        let count = (outputs + PanelKind.columns - 1) / PanelKind.columns
        let bytes = kind.panelBytes(inputs)
        guard let memory = panelMemory.take(count * bytes) else {
            throw .noMemory(tensor: name, bytes: count * bytes)
        }
        let packed = PackedMatrix(
            kind: kind, outputs: outputs, inputs: inputs, panels: UnsafeRawPointer(memory.start),
            owner: memory.owner)
        let firstBadRow = LowestValue()
        pool.forEach(count) { index, thread in
            let range = packed.outputs(ofPanel: index)
            if let row = fill(range, memory.start + index * bytes, thread) {
                firstBadRow.lower(to: range.lowerBound + row)
            }
        }
        if let row = firstBadRow.value { throw .notFinite(tensor: name, row: row) }
        return packed
    }
}
