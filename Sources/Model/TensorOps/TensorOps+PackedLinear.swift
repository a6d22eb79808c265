// SPDX-License-Identifier: Apache-2.0
import KernelInterface

extension TensorOps {
    /// The products of packed layers with one input, in one fork-join.
    func packedLinear(
        _ layers: some Collection<LinearLayer>, _ input: Activations, _ scaling: ActivationScaling,
        into results: some Collection<Activations>
    ) {
        guard input.rows > 0 else { return }
        let rows = PackedInput(input, for: layers, scaling, self)
        defer { rows.giveBack(to: buffers) }
        let products = PackedProducts(layers, rows, into: results, self)
        pool.forEach(products.chunkCount) { products.multiply(chunk: $0, thread: $1) }
    }
}
