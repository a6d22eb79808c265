// SPDX-License-Identifier: Apache-2.0
import CVectorOps
import KernelInterface

/// Attention in plain loops with sums in double precision.
let referenceAttention = AttentionKernels(
    attend: { block, states, _ in
        for query in 0..<block.queryCount
        where block.hiddenTokens(query) < block.visibleTokens(query) {
            let later = attended(block, query)
            merge(
                later, into: states + query * AttentionKernels.stateWidth(block.width), block.width)
        }
    },
    merge: { later, state, width in
        let count = AttentionKernels.stateWidth(width)
        merge(Array(UnsafeBufferPointer(start: later, count: count)), into: state, width)
    },
    finish: { state, out, width in
        for column in 0..<width {
            out[column] = state[AttentionKernels.sumOffset + column] / state[1]
        }
    },
    storeKeys: { rows, page, number in rows.store(page, number, areKeys: true) },
    storeValues: { rows, page, number in rows.store(page, number, areKeys: false) })

/// The running result of a query over one block.
private func attended(_ block: AttentionBlock, _ query: Int) -> [Float] {
    let (width, seen) = (block.width, block.hiddenTokens(query)..<block.visibleTokens(query))
    let numbers = block.queries + query * width
    func key(_ token: Int, _ column: Int) -> Double {
        Double(block.keys.number(token: token, column: column, width: width, areKeys: true))
    }
    func value(_ token: Int, _ column: Int) -> Double {
        Double(block.values.number(token: token, column: column, width: width, areKeys: false))
    }
    let scores = seen.map { token in
        Float((0..<width).reduce(0.0) { $0 + Double(numbers[$1]) * key(token, $1) })
    }
    var state = [Float](repeating: 0, count: AttentionKernels.stateWidth(width))
    let largest = scores.reduce(-.infinity) { $0 < $1 ? $1 : $0 }
    let weights = scores.map { Double(expf($0 - largest)) }
    state[0] = largest
    state[1] = Float(weights.reduce(0, +))
    for column in 0..<width {
        state[AttentionKernels.sumOffset + column] = Float(
            zip(weights, seen).reduce(0.0) { $0 + $1.0 * value($1.1, column) })
    }
    return state
}

/// Adds a later running result to an earlier one.
private func merge(_ later: [Float], into state: UnsafeMutablePointer<Float>, _ width: Int) {
    let isFirst = state[1] == 0
    let largest = isFirst || later[0] > state[0] ? later[0] : state[0]
    let (kept, added) = (isFirst ? 0 : expf(state[0] - largest), expf(later[0] - largest))
    state[0] = largest
    state[1] = state[1] * kept + later[1] * added
    for index in AttentionKernels.sumOffset..<(AttentionKernels.sumOffset + width) {
        state[index] = state[index] * kept + later[index] * added
    }
}
