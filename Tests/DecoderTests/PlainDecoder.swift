// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorOps
import TestSupport

/// A decoder in plain loops and double precision, with the tensors of a tiny model's file.
struct PlainDecoder {
    let model: TinyModel
    let file: TinyFile
    let headWidth: Int
    /// The axis that turns each pair of a head's numbers.
    let axes: [Position.Axis]

    /// The hidden states after the last layer.
    ///
    /// - Parameter rows: embeddings, each with its addends for the first layers after it.
    func run(_ rows: [[Double]], at positions: [Position]) -> [[Double]] {
        let width = model.width
        var hidden = rows.map { Array($0.prefix(width)) }
        for layer in 0..<model.layers {
            let name = "blk.\(layer)."
            let normed = hidden.map { normalised($0, name + "attn_norm") }
            let queries = rotated(heads(normed, name + "attn_q"), positions)
            let keys = rotated(heads(normed, name + "attn_k"), positions)
            let attended = attention(queries, keys, heads(normed, name + "attn_v"))
            hidden = sums(hidden, product(attended, name + "attn_output"))
            let inner = hidden.map { normalised($0, name + "ffn_norm") }
            let gate = product(inner, name + "ffn_gate")
            let up = product(inner, name + "ffn_up")
            let active = zip(gate, up).map { gate, up in
                zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
            }
            hidden = sums(hidden, product(active, name + "ffn_down"))
            let addends = rows.map { Array($0.dropFirst((1 + layer) * width).prefix(width)) }
            hidden = sums(hidden, addends)
        }
        return hidden
    }

    /// The sums of two matrices, some of whose rows may be empty.
    private func sums(_ first: [[Double]], _ second: [[Double]]) -> [[Double]] {
        zip(first, second).map { row, addend in
            addend.isEmpty ? row : zip(row, addend).map { $0 + $1 }
        }
    }

    private func numbers(_ name: String) -> [Double] { file.floats(name).map { Double($0) } }

    private func normalised(_ row: [Double], _ name: String) -> [Double] {
        let mean = row.reduce(0) { $0 + $1 * $1 } / Double(row.count)
        return zip(row, numbers("\(name).weight")).map { $0 / (mean + 1e-5).squareRoot() * $1 }
    }

    private func product(_ rows: [[Double]], _ name: String) -> [[Double]] {
        let (weight, bias) = (numbers("\(name).weight"), numbers("\(name).bias"))
        let inputs = rows[0].count
        func output(_ index: Int, of row: [Double]) -> Double {
            var sum = bias.isEmpty ? 0 : bias[index]
            for input in 0..<inputs { sum += row[input] * weight[index * inputs + input] }
            return sum
        }
        return rows.map { row in (0..<weight.count / inputs).map { output($0, of: row) } }
    }

    /// The heads of each row's product, normalised where the file says so.
    private func heads(_ rows: [[Double]], _ name: String) -> [[[Double]]] {
        let isNormalised = file[tensor: "\(name)_norm.weight"] != nil
        return product(rows, name).map { row in
            stride(from: 0, to: row.count, by: headWidth).map {
                let head = Array(row[$0..<($0 + headWidth)])
                return isNormalised ? normalised(head, "\(name)_norm") : head
            }
        }
    }

    private func rotated(_ rows: [[[Double]]], _ positions: [Position]) -> [[[Double]]] {
        let pairs = headWidth / 2
        return zip(rows, positions).map { heads, position in
            heads.map { head in
                var turned = head
                for pair in 0..<pairs {
                    let place =
                        switch axes[pair] {
                        case .time: position.time
                        case .row: position.row
                        case .column: position.column
                        }
                    let angle = Double(place) * pow(10_000, -Double(pair) / Double(pairs))
                    let (first, second) = (head[pair], head[pair + pairs])
                    turned[pair] = first * cos(angle) - second * sin(angle)
                    turned[pair + pairs] = second * cos(angle) + first * sin(angle)
                }
                return turned
            }
        }
    }

    private func attention(
        _ queries: [[[Double]]], _ keys: [[[Double]]], _ values: [[[Double]]]
    ) -> [[Double]] {
        let group = model.heads / model.keyValueHeads
        return queries.enumerated().map { row, heads in
            heads.enumerated().flatMap { head, query in
                let scores = (0...row).map { token in
                    exp(
                        zip(query, keys[token][head / group]).reduce(0) { $0 + $1.0 * $1.1 }
                            / Double(headWidth).squareRoot())
                }
                let total = scores.reduce(0, +)
                return (0..<headWidth).map { column in
                    (0...row).reduce(0) {
                        $0 + scores[$1] / total * values[$1][head / group][column]
                    }
                }
            }
        }
    }
}
