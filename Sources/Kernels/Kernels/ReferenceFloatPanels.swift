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
        })

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
