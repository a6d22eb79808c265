// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import CVectorOps
import KernelInterface

extension PanelPacker {
    /// Inputs that are copied from each row in turn: a cache line's worth.
    private static let inputsPerStep = 32

    /// Copies the numbers of up to 32 rows into one panel; columns and inputs without numbers are zero.
    func packFloats(
        _ rows: UnsafeRawPointer, count: Int, into panel: UnsafeMutableRawPointer
    ) {
        if count < PanelKind.columns || inputs % kind.superblockLength != 0 {
            panel.initializeMemory(as: UInt8.self, repeating: 0, count: panelBytes)
        }
        let rowBytes = format.byteCount(of: inputs)
        touch_lines(rows, count &* rowBytes)
        for first in stride(from: 0, to: inputs, by: Self.inputsPerStep) {
            let range = first..<min(first &+ Self.inputsPerStep, inputs)
            for column in stride(from: 0, to: count, by: lane_count) {
                let columns = column..<min(column &+ lane_count, count)
                if range.count == Self.inputsPerStep, columns.count == lane_count {
                    turn(rows, first, column, into: panel)
                    continue
                }
                for column in columns {
                    let row = rows + column &* rowBytes
                    switch kind {
                    case .f32: copy(UInt32.self, row, range, column, into: panel)
                    default: copy(UInt16.self, row, range, column, into: panel)
                    }
                }
            }
        }
    }

    /// Transposes one step of as many rows as a vector has lanes, in words of one or two numbers.
    @inline(__always)
    private func turn(
        _ rows: UnsafeRawPointer, _ first: Int, _ column: Int, into panel: UnsafeMutableRawPointer
    ) {
        let rowBytes = format.byteCount(of: inputs)
        let numberBytes = format.blockBytes
        for input in stride(
            from: first, to: first &+ Self.inputsPerStep, by: lane_count &* 4 / numberBytes)
        {
            let source = rows + (column &* rowBytes &+ input &* numberBytes)
            let target = panel + kind.floatOffset(input, column)
            switch kind {
            case .f16: transpose_pairs(source, rowBytes, target, kind.superblockBytes)
            default: transpose_words(source, rowBytes, target, kind.superblockBytes)
            }
        }
    }

    @inline(__always)
    private func copy<Bits: FixedWidthInteger & BitwiseCopyable>(
        _ bits: Bits.Type, _ row: UnsafeRawPointer, _ range: Range<Int>, _ column: Int,
        into panel: UnsafeMutableRawPointer
    ) {
        let size = MemoryLayout<Bits>.size
        for input in range {
            let number = row.loadUnaligned(fromByteOffset: size &* input, as: bits)
            panel.storeBytes(
                of: Bits(littleEndian: number), toByteOffset: kind.floatOffset(input, column),
                as: bits)
        }
    }
}

extension PanelKind {
    /// The offset of one number in a panel of floats.
    @inline(__always)
    fileprivate func floatOffset(_ input: Int, _ column: Int) -> Int {
        let line = input / superblockLength &* superblockBytes
        switch self {
        case .bf16: return line &+ 4 &* column &+ 2 &* (input % 2)
        case .f16: return line &+ 2 &* column
        default: return line &+ 4 &* column
        }
    }

    /// The numbers of one column in a superblock of floats.
    func decodeFloats(
        _ superblock: UnsafeRawPointer, column: Int, into out: UnsafeMutablePointer<Float>
    ) {
        for input in 0..<superblockLength {
            let place = superblock + floatOffset(input, column)
            switch self {
            case .f32: out[input] = place.load(as: Float.self)
            case .f16: out[input] = float_from_half(place.load(as: UInt16.self))
            default:
                out[input] = Float(bitPattern: UInt32(place.load(as: UInt16.self)) << 16)
            }
        }
    }
}
