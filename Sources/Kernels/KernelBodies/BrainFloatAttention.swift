// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

/// The kernels of this instruction set.
func brainFloatAttentionKernels() -> BrainFloatAttentionKernels {
    BrainFloatAttentionKernels(
        packColumns: { source, stride, rows, width, panels in
            let pairs = width / 2
            var first = 0
            while first < rows || first % PanelKind.columns != 0 {
                let group = first / PanelKind.columns &* PanelKind.columns
                let columns = panels + (group &* pairs &+ first &- group)
                let present = max(0, min(lane_count, rows &- first))
                forEachVector(pairs) { pair, count in
                    transpose_brain_floats(
                        source + (first &* stride &+ 2 &* pair), stride, present, count,
                        columns + pair &* PanelKind.columns, PanelKind.columns)
                }
                first &+= lane_count
            }
        },
        packRows: { source, stride, rows, width, panels in
            var line = panels
            var start = 0
            while start < width {
                var row = 0
                while row < rows {
                    packPair(
                        source + (row &* stride &+ start), stride, hasOdd: row &+ 1 < rows,
                        columns: width &- start, line)
                    line += PanelKind.columns
                    row &+= 2
                }
                start &+= PanelKind.columns
            }
        },
        softmax: { scores, out, count in
            let sum = exponentiate(scores, count, minus: largest(scores, count))
            let scale = FloatVector.all(1 / sum)
            forEachVector(count) { first, lanes in
                brain_floats_for_dot(.load(scores + first, lanes) * scale)
                    .store(out + first, lanes)
            }
        })
}

/// A line of a panel: the first columns of two rows, or of one and zeros.
@inline(__always)
private func packPair(
    _ even: UnsafePointer<Float>, _ stride: Int, hasOdd: Bool, columns: Int,
    _ line: UnsafeMutablePointer<UInt32>
) {
    var column = 0
    while column < PanelKind.columns {
        let lanes = max(0, min(lane_count, columns &- column))
        let low = FloatVector.load(even + column, lanes)
        let high = hasOdd ? FloatVector.load(even + stride + column, lanes) : .all(0)
        UnsafeMutableRawPointer(line + column)
            .storeBytes(of: brain_float_pairs(low, high), as: WordVector.self)
        column &+= lane_count
    }
}
