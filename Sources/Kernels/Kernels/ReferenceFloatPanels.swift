// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import KernelInterface
import WeightPanels

extension FloatPanelKernels {
    /// Plain loops on the same panels, summed in double precision.
    static let reference = FloatPanelKernels(
        f32: product(.f32), f16: product(.f16), bf16: product(.bf16),
        brainFloatProduct: { rows, values, stride, panel, inputs, out, outStride in
            multiply(.bf16, panel, inputs: inputs, rows: rows, out, outStride) { row, input in
                Float(bitPattern: UInt32(values[row * stride + input]) << 16)
            }
        },
        brainFloatsFromFloats: { source, out, count in
            for index in 0..<count { out[index] = brain_float_from_float(source[index]) }
        },
        brainFloatAttention: .reference)

    private static func product(_ kind: PanelKind) -> Product {
        { rows, values, stride, panel, inputs, out, outStride in
            multiply(kind, panel, inputs: inputs, rows: rows, out, outStride) { row, input in
                values[row * stride + input]
            }
        }
    }

    private static func multiply(
        _ kind: PanelKind, _ panel: UnsafeRawPointer, inputs: Int, rows: Int,
        _ out: UnsafeMutablePointer<Float>, _ outStride: Int,
        _ activation: (_ row: Int, _ input: Int) -> Float
    ) {
        var weights = [Float](
            repeating: 0, count: kind.superblocks(inputs) * kind.superblockLength)
        for column in 0..<PanelKind.columns {
            for superblock in 0..<kind.superblocks(inputs) {
                weights.withUnsafeMutableBufferPointer { buffer in
                    PanelReader(kind).decode(
                        panel, superblock: superblock, column: column,
                        into: buffer.baseAddress.unsafelyUnwrapped + superblock
                            * kind.superblockLength)
                }
            }
            for row in 0..<rows {
                out[row * outStride + column] = Float(
                    (0..<inputs).reduce(0.0) {
                        $0 + Double(weights[$1]) * Double(activation(row, $1))
                    })
            }
        }
    }
}

extension BrainFloatAttentionKernels {
    /// Plain loops.
    fileprivate static let reference: BrainFloatAttentionKernels = .init(
        packColumns: { source, stride, rows, width, panels in
            packPairs(lines: width / 2, columns: rows, panels) { line, column in
                let pair = source + (column * stride + 2 * line)
                return (pair[0], pair[1])
            }
        },
        packRows: { source, stride, rows, width, panels in
            packPairs(lines: (rows + 1) / 2, columns: width, panels) { line, column in
                let even = source + (2 * line * stride + column)
                return (even[0], 2 * line + 1 < rows ? even[stride] : 0)
            }
        },
        softmax: { scores, out, count in
            KernelTable.reference.softmax(scores, count)
            for index in 0..<count { out[index] = brain_float_from_float(scores[index]) }
        })

    /// Panels of `[lines, 32]` words, each a pair of numbers, zeros after the last column.
    private static func packPairs(
        lines: Int, columns: Int, _ panels: UnsafeMutablePointer<UInt32>,
        _ pair: (_ line: Int, _ column: Int) -> (Float, Float)
    ) {
        let width = PanelKind.columns
        for column in 0..<((columns + width - 1) / width * width) {
            for line in 0..<lines {
                let (low, high) = column < columns ? pair(line, column) : (0, 0)
                panels[(column / width * lines + line) * width + column % width] =
                    UInt32(brain_float_from_float(low)) | UInt32(brain_float_from_float(high)) << 16
            }
        }
    }
}
