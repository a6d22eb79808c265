// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// The product of 1 to 6 rows of floats with a panel of 32 columns.
///
/// One row reads every line of the panel once, in order. More rows take two vectors of columns with
/// 16 registers, or four with 32, except for pairs of bf16 numbers, whose unpacking needs
/// registers.
@inline(__always)
private func multiplyFloatPanel<Number: MatrixNumber>(
    _ number: Number.Type, rows: Int, _ values: UnsafePointer<Float>, stride: Int,
    _ panel: UnsafeRawPointer, inputs: Int, _ out: UnsafeMutablePointer<Float>, outStride: Int,
    bytesPerWord: Int
) {
    @inline(__always)
    func sweep<let rows: Int, let vectors: Int>(
        _ sums: InlineArray<rows, InlineArray<vectors, FloatVector>>
    ) {
        var column = 0
        while column < PanelKind.columns {
            FloatProduct(
                left: values, leftStride: stride, right: panel + bytesPerWord &* column,
                rightStride: PanelKind.columns, depth: inputs, out: out + column,
                outStride: outStride, continues: false
            ).multiply(number, sums)
            column &+= vectors &* lane_count
        }
    }
    @inline(__always)
    func sweepRows<let vectors: Int>(_ row: InlineArray<vectors, FloatVector>) {
        switch rows {
        case 1: sweep(InlineArray<1, _>(repeating: row))
        case 2: sweep(InlineArray<2, _>(repeating: row))
        case 3: sweep(InlineArray<3, _>(repeating: row))
        case 4: sweep(InlineArray<4, _>(repeating: row))
        case 5: sweep(InlineArray<5, _>(repeating: row))
        case 6: sweep(InlineArray<6, _>(repeating: row))
        default: preconditionFailure("more rows than a tile has")
        }
    }
    switch (rows, lane_count) {
    case (1, 4): sweep(InlineArray<1, _>(repeating: InlineArray<8, _>(repeating: .all(0))))
    case (1, 8): sweep(InlineArray<1, _>(repeating: InlineArray<4, _>(repeating: .all(0))))
    #if arch(arm64)
        case (_, _) where Number.rowsPerLine == 1:
            sweepRows(InlineArray<4, _>(repeating: .all(0)))
    #endif
    default: sweepRows(InlineArray<2, _>(repeating: .all(0)))
    }
}

/// The kernels of this instruction set.
func floatPanelKernels() -> FloatPanelKernels {
    FloatPanelKernels(
        f32: { rows, values, stride, panel, inputs, out, outStride in
            multiplyFloatPanel(
                FloatNumber.self, rows: rows, values, stride: stride, panel, inputs: inputs, out,
                outStride: outStride, bytesPerWord: 4)
        },
        f16: { rows, values, stride, panel, inputs, out, outStride in
            multiplyFloatPanel(
                HalfNumber.self, rows: rows, values, stride: stride, panel, inputs: inputs, out,
                outStride: outStride, bytesPerWord: 2)
        },
        bf16: { rows, values, stride, panel, inputs, out, outStride in
            multiplyFloatPanel(
                BrainFloatPair.self, rows: rows, values, stride: stride, panel, inputs: inputs,
                out, outStride: outStride, bytesPerWord: 4)
        },
        brainFloatProduct: multiplyBrainFloats,
        brainFloatsFromFloats: { source, out, count in
            forEachVector(count) { first, lanes in
                brain_floats_from_floats(.load(source + first, lanes)).store(out + first, lanes)
            }
        },
        brainFloatAttention: brainFloatAttentionKernels())
}
