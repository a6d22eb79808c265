// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import KernelInterface

extension KernelTable {
    /// Plain loops with sums in double precision: what every other table is compared with.
    public static let reference = KernelTable(
        name: "reference",
        rmsNorm: { row, weight, epsilon, out, width in
            var sumOfSquares = 0.0
            for column in 0..<width { sumOfSquares += Double(row[column]) * Double(row[column]) }
            let scale = Float(1 / (sumOfSquares / Double(width) + Double(epsilon)).squareRoot())
            for column in 0..<width { out[column] = row[column] * scale * weight[column] }
        },
        layerNorm: { row, weight, bias, epsilon, out, width in
            var sum = 0.0
            for column in 0..<width { sum += Double(row[column]) }
            let mean = sum / Double(width)
            var sumOfSquares = 0.0
            for column in 0..<width {
                let difference = Double(row[column]) - mean
                sumOfSquares += difference * difference
            }
            let scale = Float(1 / (sumOfSquares / Double(width) + Double(epsilon)).squareRoot())
            for column in 0..<width {
                out[column] = (row[column] - Float(mean)) * scale * weight[column] + bias[column]
            }
        },
        softmax: { values, count in
            var largest = -Float.infinity
            for index in 0..<count { largest = max(largest, values[index]) }
            var sum = 0.0
            for index in 0..<count {
                values[index] = expf(values[index] - largest)
                sum += Double(values[index])
            }
            let scale = Float(1 / sum)
            for index in 0..<count { values[index] *= scale }
        },
        siluProduct: { gate, up, count in
            for index in 0..<count {
                gate[index] = gate[index] / (1 + expf(-gate[index])) * up[index]
            }
        },
        quickGELU: { values, count in
            for index in 0..<count {
                values[index] /= 1 + expf(-1.702 * values[index])
            }
        },
        gelu: { values, count in
            let inverseRootOfTwo = Float(0.5).squareRoot()
            for index in 0..<count {
                // 1 + erf(x) = erfc(-x), which keeps its digits where erf(x) is near -1.
                values[index] *= 0.5 * erfcf(-values[index] * inverseRootOfTwo)
            }
        },
        geluTanh: { values, count in
            for index in 0..<count {
                let x = Double(values[index])
                // (1 + tanh(t)) / 2 is 1 / (1 + exp(-2t)), which keeps its digits where tanh(t) is near -1.
                let t = (2 / Double.pi).squareRoot() * (x + 0.044_715 * x * x * x)
                values[index] = Float(x / (1 + exp(-2 * t)))
            }
        },
        rotateAdjacentPairs: { head, cosines, sines, pairs in
            for pair in 0..<pairs {
                rotate(&head[2 * pair], &head[2 * pair + 1], cosines[pair], sines[pair])
            }
        },
        rotateHalves: { head, cosines, sines, pairs in
            for pair in 0..<pairs {
                rotate(&head[pair], &head[pair + pairs], cosines[pair], sines[pair])
            }
        },
        add: { sum, addend, count in
            for index in 0..<count { sum[index] += addend[index] }
        },
        halvesFromFloats: { source, out, count in
            for index in 0..<count { out[index] = half_from_float(source[index]) }
        },
        floatsFromHalves: { source, out, count in
            for index in 0..<count { out[index] = float_from_half(source[index]) }
        },
        attention: referenceAttention, panels: .reference, floatPanels: .reference)
}

@inline(__always)
private func rotate(_ x: inout Float, _ y: inout Float, _ cosine: Float, _ sine: Float) {
    (x, y) = (x * cosine - y * sine, x * sine + y * cosine)
}
