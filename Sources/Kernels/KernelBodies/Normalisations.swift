// SPDX-License-Identifier: Apache-2.0
internal import CVectorOps
internal import KernelInterface

extension KernelTable {
    /// Replaces the normalisations of rows.
    ///
    /// Rows whose sum of squares overflows single precision use the reference's kernels.
    mutating func vectoriseNormalisations() {
        let (wideRMSNorm, wideLayerNorm) = (rmsNorm, layerNorm)
        rmsNorm = { row, weight, epsilon, out, width in
            let sum = rowSum(width) { sum, first, lanes in
                let x = FloatVector.load(row + first, lanes)
                return multiply_add(sum, x, x)
            }
            guard sum.isFinite else { return wideRMSNorm(row, weight, epsilon, out, width) }
            let scale = 1 / (sum / Float(width) + epsilon).squareRoot()
            forEachVector(width) { first, lanes in
                let scaled = FloatVector.load(row + first, lanes) * .all(scale)
                (scaled * .load(weight + first, lanes)).store(out + first, lanes)
            }
        }
        layerNorm = { row, weight, bias, epsilon, out, width in
            let sum = rowSum(width) { sum, first, lanes in sum + .load(row + first, lanes) }
            let mean = FloatVector.all(sum / Float(width))
            let squares = rowSum(width) { sum, first, lanes in
                let difference = FloatVector.load(row + first, lanes) - mean
                let kept =
                    lanes == lane_count ? difference : choose_first(difference, .all(0), lanes)
                return multiply_add(sum, kept, kept)
            }
            guard squares.isFinite else {
                return wideLayerNorm(row, weight, bias, epsilon, out, width)
            }
            let scale = 1 / (squares / Float(width) + epsilon).squareRoot()
            forEachVector(width) { first, lanes in
                let scaled = (FloatVector.load(row + first, lanes) - mean) * .all(scale)
                multiply_add(.load(bias + first, lanes), scaled, .load(weight + first, lanes))
                    .store(out + first, lanes)
            }
        }
    }
}
