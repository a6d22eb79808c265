// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import KernelInterface
import Kernels
import TestSupport
import Testing
import WorkerPool

@testable import TensorOps

private let quantisedFormats = BlockFormat.allCases.filter { $0.blockLength > 1 }
private let vectorisedTables = KernelTable.available.filter { $0.name != "reference" }

@Suite struct PackedLinearTests {
    /// A layer of random weights and biases, its matrix packed.
    private func layer(
        _ format: BlockFormat, outputs: Int, inputs: Int, roundsInputs: Bool = false,
        _ ops: TensorOps
    ) throws -> LinearLayer {
        var random = SeededGenerator(seed: UInt64(outputs))
        let bytes = format.randomBlocks(
            count: outputs * inputs, deviation: 0.05, using: &random)
        let storage = Activations(rows: 1, width: bytes.count / 4 + 1)
        UnsafeMutableRawPointer(storage.values).copyMemory(
            from: bytes, byteCount: bytes.count)
        let matrix = WeightMatrix(
            name: "w", format: format, outputs: outputs, inputs: inputs,
            bytes: UnsafeRawPointer(storage.values), owner: storage)
        return LinearLayer(
            weight: matrix, bias: gaussians(outputs, seed: 2), packed: try ops.pack(matrix),
            roundsInputs: roundsInputs)
    }

    /// Halves are widened by kernels, other numbers are not.
    @Test(arguments: KernelTable.available.map(\.name), BlockEncoding.allCases)
    func halvesAreRoundedAsTheSameFloatsAre(table: String, encoding: BlockEncoding) throws {
        let ops = TensorOps(
            kernels: try KernelTable.named(table), pool: WorkerPool(threadCount: 2))
        let (outputs, inputs) = (37, 96)
        var halves = gaussians(outputs * inputs, seed: 3).map { Float16($0).bitPattern }
        // Zeros, subnormal and the largest numbers.
        for (index, bits) in [0, 0x8000, 1, 0x83FF, 0x0400, 0x7BFF, 0xFBFF].enumerated() {
            halves[31 * index] = UInt16(bits)
        }
        let floats = halves.map { Float(Float16(bitPattern: $0)) }
        let storage = Activations(rows: 1, width: halves.count / 2)
        UnsafeMutableRawPointer(storage.values).copyMemory(
            from: halves, byteCount: 2 * halves.count)
        let matrix = WeightMatrix(
            name: "w", format: .f16, outputs: outputs, inputs: inputs,
            bytes: UnsafeRawPointer(storage.values), owner: storage)
        let packed = try #require(try ops.packRounded(matrix, to: encoding))
        let expected = try #require(
            try ops.packRounded(
                WeightMatrix(name: "w", values: floats, inputs: inputs), to: encoding))
        #expect(packed.bytes.elementsEqual(expected.bytes))
    }

    /// A block's padding changes neither its scale nor the products, whatever the activations' scales are.
    @Test(
        arguments: KernelTable.available.map(\.name), BlockEncoding.allCases)
    func rowsOfAnyLengthArePaddedToWholeBlocks(table: String, encoding: BlockEncoding) throws {
        let outputs = 37
        for inputs in [32, 33, 63, 65, 95, 257, 4304] {
            let length = (inputs + 31) / 32 * 32
            let (weights, numbers) = (
                gaussians(outputs * inputs, seed: 3), gaussians(8 * inputs, seed: 4)
            )
            func padded(_ numbers: [Float]) -> [Float] {
                stride(from: 0, to: numbers.count, by: inputs).flatMap {
                    numbers[$0..<($0 + inputs)] + [Float](repeating: 0, count: length - inputs)
                }
            }
            for mode in [ActivationMode.per32, .pow2] {
                let ops = TensorOps(
                    kernels: try KernelTable.named(table), pool: WorkerPool(threadCount: 2),
                    activationMode: mode)
                func products(_ weights: [Float], _ numbers: [Float], _ width: Int) throws
                    -> [Float]
                {
                    let matrix = WeightMatrix(name: "w", values: weights, inputs: width)
                    let packed = try #require(try ops.packRounded(matrix, to: encoding))
                    #expect(packed.inputs == width)
                    return ops.linear(
                        LinearLayer(weight: matrix, packed: packed),
                        Activations(numbers, width: width)
                    ).array
                }
                let found = try products(weights, numbers, inputs)
                #expect(try found == products(padded(weights), padded(numbers), length))
            }
        }
    }

    @Test func rowsShorterThanABlockAreNotRounded() throws {
        let matrix = WeightMatrix(name: "w", values: gaussians(3 * 31, seed: 3), inputs: 31)
        #expect(try testOps.packRounded(matrix, to: .q8_0) == nil)
        #expect(try testOps.packRounded(matrix, to: .bf16) != nil)
        #expect(PackedShape(.q8_0, outputs: 3, inputs: 31) == nil)
    }

    /// Products of rows that are given in chunks.
    private func products(
        _ ops: TensorOps, _ layer: LinearLayer, _ input: Activations, rowsPerChunk: Int
    ) -> [Float] {
        stride(from: 0, to: input.rows, by: rowsPerChunk).flatMap { first in
            let rows = first..<min(first + rowsPerChunk, input.rows)
            return ops.linear(layer, input.copy(rows: rows)).array
        }
    }

    @Test(arguments: quantisedFormats, [ActivationMode.per32, .pow2])
    func aRowsProductsDoNotDependOnThreadsOrChunks(
        format: BlockFormat, mode: ActivationMode
    ) throws {
        // The last panel is partly empty, and so is a superblock of 64.
        try expectEqualProducts(
            format, outputs: 67, inputs: format.blockLength == 32 ? 224 : 512, mode)
    }

    /// Several tiles of rows take several panels at a time where there are enough for all threads.
    @Test(arguments: [BlockFormat.q4_0, .q8_0, .q4_K, .q6_K])
    func aRowsProductsDoNotDependOnHowManyPanelsGoTogether(format: BlockFormat) throws {
        try expectEqualProducts(format, outputs: 20 * 32 + 5, inputs: 256, .pow2)
    }

    /// The last chunks are cut by panels or, from 16 tiles on, by rows; of several matrices, those of the last.
    @Test(arguments: [BlockFormat.q4_0, .q6_K, .f16], [2, 3, 5])
    func everyProductIsAddedOnceHoweverChunksAreCut(format: BlockFormat, threads: Int) throws {
        let table = try KernelTable.named(nil)
        func ops(_ threads: Int) -> TensorOps {
            TensorOps(
                kernels: table, pool: WorkerPool(threadCount: threads), activationMode: .pow2)
        }
        for (outputs, inputs) in [(1, 512), (33, 768), (24 * 32 + 1, 1024)] {
            let layer = try layer(format, outputs: outputs, inputs: inputs, ops(1))
            for rows in [1, 5, 24, 95, 97, 150] {
                let input = Activations(gaussians(rows * inputs, seed: 1), width: inputs)
                let expected = ops(1).linear(layer, input).array
                let sum = Activations([Float](repeating: 0, count: rows * outputs), width: outputs)
                let many = ops(threads)
                many.addLinear(layer, input, to: sum)
                #expect(sum.array == expected, "\(outputs) × \(inputs), \(rows) rows")
                let both = many.linear([layer, layer], input)
                #expect(both.allSatisfy { $0.array == expected })
            }
        }
    }

    /// Tiles of more than 3 MB are multiplied in groups, by one panel or by several at a time.
    @Test(arguments: [(161, 11008, 170), (18 * 32 + 1, 4096, 460)])
    func groupsOfTilesHaveTheBitsOfAll(outputs: Int, inputs: Int, rows: Int) throws {
        let one = TensorOps(
            kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: 1),
            activationMode: .pow2)
        let layer = try layer(.q4_0, outputs: outputs, inputs: inputs, one)
        let input = Activations(gaussians(rows * inputs, seed: 1), width: inputs)
        let expected = products(one, layer, input, rowsPerChunk: 50)
        for threads in 1...3 {
            let ops = TensorOps(
                kernels: one.kernels, pool: WorkerPool(threadCount: threads), activationMode: .pow2)
            #expect(ops.linear(layer, input).array == expected)
            let sum = Activations([Float](repeating: 0, count: rows * outputs), width: outputs)
            ops.addLinear(layer, input, to: sum)
            #expect(sum.array == expected)
        }
    }

    private func expectEqualProducts(
        _ format: BlockFormat, outputs: Int, inputs: Int, _ mode: ActivationMode
    ) throws {
        let input = Activations(gaussians(200 * inputs, seed: 1), width: inputs)
        for table in vectorisedTables {
            func ops(_ threads: Int) -> TensorOps {
                TensorOps(
                    kernels: table, pool: WorkerPool(threadCount: threads), activationMode: mode)
            }
            let layer = try layer(format, outputs: outputs, inputs: inputs, ops(1))
            let expected = ops(1).linear(layer, input).array
            for threads in 1...3 {
                let ops = ops(threads)
                for rowsPerChunk in [1, 7, 64, 200] {
                    let isEqual =
                        products(ops, layer, input, rowsPerChunk: rowsPerChunk) == expected
                    #expect(
                        isEqual, "\(table.name), \(threads) threads, \(rowsPerChunk) rows"
                    )
                }
            }
        }
    }

    @Test(arguments: [BlockFormat.f32, .f16, .bf16], [false, true])
    func floatsDependOnNothingElseEither(format: BlockFormat, roundsInputs: Bool) throws {
        guard format == .bf16 || !roundsInputs else { return }
        let input = Activations(gaussians(50 * 77, seed: 1), width: 77)
        for table in vectorisedTables {
            let one = TensorOps(kernels: table, pool: WorkerPool(threadCount: 1))
            let layer = try layer(
                format, outputs: 67, inputs: 77, roundsInputs: roundsInputs, one)
            let expected = one.linear(layer, input).array
            let ops = TensorOps(kernels: table, pool: WorkerPool(threadCount: 3))
            for rowsPerChunk in [1, 7, 50] {
                #expect(products(ops, layer, input, rowsPerChunk: rowsPerChunk) == expected)
            }
            guard !roundsInputs else { continue }
            let stored = LinearLayer(weight: layer.weight, bias: layer.bias)
            #expect(ops.linear(stored, input).array == expected)
        }
    }

    /// Layers of bytes, of floats, of rounded floats, and one that is not packed.
    @Test(arguments: [1, 31, 64, 20 * 32 + 5], [0, 1, 7, 50])
    func functionsAndSumsHaveTheBitsOfOnesAfterwards(outputs: Int, rows: Int) throws {
        for table in KernelTable.available {
            let ops = TensorOps(
                kernels: table, pool: WorkerPool(threadCount: 2), activationMode: .pow2)
            let input = Activations(gaussians(rows * 256, seed: 1), width: 256)
            var layers = try [BlockFormat.q8_0, .q6_K, .f16, .bf16].map {
                try layer($0, outputs: outputs, inputs: 256, roundsInputs: $0 == .bf16, ops)
            }
            layers.append(LinearLayer(weight: layers[2].weight, bias: layers[2].bias))
            for layer in layers {
                let products = ops.linear(layer, input)
                let before = gaussians(rows * outputs, seed: 4)
                let sum = Activations(before, width: outputs)
                ops.addLinear(layer, input, to: sum)
                #expect(sum.array == zip(before, products.array).map { $0 + $1 })
                for function in [FeedForwardActivation.quickGELU, .gelu, .geluTanh] {
                    let found = ops.linear(layer, input, then: function)
                    let expected = products.copy(rows: 0..<rows)
                    ops.apply(function, to: expected)
                    #expect(found.array == expected.array)
                }
            }
        }
    }

    @Test func layersOfFloatsAndBytesShareAnInput() throws {
        let ops = TensorOps(
            kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: 2),
            activationMode: .pow2)
        let input = Activations(gaussians(5 * 256, seed: 3), width: 256)
        let layers = try [BlockFormat.q4_0, .f16, .q6_K, .bf16].map {
            try layer($0, outputs: 33, inputs: 256, roundsInputs: $0 == .bf16, ops)
        }
        for (layer, result) in zip(layers, ops.linear(layers, input)) {
            #expect(result.array == ops.linear(layer, input).array)
        }
    }

    @Test(arguments: quantisedFormats, [ActivationMode.per32, .pow2])
    func packedProductsAreNearExactOnes(format: BlockFormat, mode: ActivationMode) throws {
        for (rows, outputs) in [(0, 1), (1, 1), (2, 31), (7, 32), (13, 33), (5, 97)] {
            let inputs = format.blockLength == 32 ? 96 : 256
            let ops = TensorOps(
                kernels: try KernelTable.named(nil), pool: WorkerPool(threadCount: 2),
                activationMode: mode)
            let layer = try layer(format, outputs: outputs, inputs: inputs, ops)
            let input = Activations(gaussians(rows * inputs, seed: 3), width: inputs)
            let found = ops.linear(layer, input)
            #expect(found.rows == rows && found.width == outputs)
            let exact = ops.linear(LinearLayer(weight: layer.weight, bias: layer.bias), input)
            var weights = [Float](repeating: 0, count: outputs * inputs)
            layer.weight.decode(rows: 0..<outputs, into: &weights)
            for row in 0..<rows {
                let largest = (0..<inputs).reduce(Float(0)) { max($0, abs(input.row(row)[$1])) }
                for output in 0..<outputs {
                    let magnitude = weights[(output * inputs)..<((output + 1) * inputs)]
                        .reduce(Float(0)) { $0 + abs($1) }
                    // Each activation is off by at most half of a 127th of the row's largest; a block
                    // sum of minima by a sixteenth of that. Rounding of floats is far below.
                    let bound = 1.1 * magnitude * largest / 254
                    #expect(abs(found.row(row)[output] - exact.row(row)[output]) <= bound)
                }
            }
        }
    }
}
