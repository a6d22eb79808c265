// SPDX-License-Identifier: Apache-2.0
import TensorOps
import Weights

/// The weights of one decoder layer.
struct DecoderLayer: Sendable {
    let config: LayerConfig
    /// The rotary embedding, one of `DecoderWeights.rotaries`.
    let rotary: Int
    let attentionNorm: [Float]  // [width]
    /// Queries `[heads · headWidth, width]`, keys and values `[keyValueHeads · headWidth, width]`.
    let queryKeyValue: [LinearLayer]
    /// Normalisations of each head, for architectures that have them.
    let queryNorm: HeadNorm?
    let keyNorm: HeadNorm?
    let attentionOutput: LinearLayer  // [width, heads · headWidth]
    let feedForwardNorm: [Float]  // [width]
    let gateAndUp: [LinearLayer]  // each [feedForwardWidth, width]
    let down: LinearLayer  // [width, feedForwardWidth]
}

/// The weights of a text decoder.
struct DecoderWeights: Sendable {
    let tokenEmbedding: WeightMatrix  // [vocabulary, width]
    let layers: [DecoderLayer]
    let outputNorm: [Float]  // [width]
    /// The LM head; the token embedding itself if the file has no separate matrix.
    let output: LinearLayer  // [vocabulary, width]
    /// The rotary embeddings in which layers differ.
    let rotaries: [RotaryEmbedding]
}

extension TensorLoader {
    /// The most tokens: a hundred times the size of any vocabulary.
    private static let vocabularyLimit = 1 << 24

    func decoderWeights(
        _ config: DecoderConfig, context: Int, _ ops: TensorOps
    ) throws(ModelError) -> DecoderWeights {
        let width = config.width
        let vocabulary = try outputs(
            of: DecoderTensors.tokenEmbedding, inputs: width, upTo: Self.vocabularyLimit)
        let embedding = try matrix(
            DecoderTensors.tokenEmbedding, inputs: width, outputs: vocabulary)
        var (layers, rotaries): ([DecoderLayer], [RotaryConfig]) = ([], [])
        for (index, layer) in config.layers.enumerated() {
            let rotary = rotaries.firstIndex(of: layer.rotary) ?? rotaries.count
            if rotary == rotaries.count { rotaries.append(layer.rotary) }
            layers.append(try decoderLayer(index, rotary: rotary, config, ops))
        }
        var embeddings: [RotaryEmbedding] = []
        for rotary in rotaries {
            embeddings.append(
                try rotaryEmbedding(rotary, config.architecture, context: context))
        }
        let output =
            contains("\(DecoderTensors.output).weight")
            ? try linear(DecoderTensors.output, inputs: width, outputs: vocabulary)
            : LinearLayer(weight: embedding)
        return DecoderWeights(
            tokenEmbedding: embedding, layers: layers,
            outputNorm: try vector("\(DecoderTensors.outputNorm).weight", count: width),
            output: try packed(output, ops), rotaries: embeddings)
    }

    private func decoderLayer(
        _ index: Int, rotary: Int, _ config: DecoderConfig, _ ops: TensorOps
    ) throws(ModelError) -> DecoderLayer {
        let (width, layer) = (config.width, config.layers[index])
        func name(_ part: String) -> String { DecoderTensors.layer(index, part) }
        let (query, key, value) = try queryKeyValue(index, config)
        let (gate, up) = try gateAndUp(index, config)
        return DecoderLayer(
            config: layer, rotary: rotary,
            attentionNorm: try vector(
                "\(name(DecoderTensors.attentionNorm)).weight", count: width),
            queryKeyValue: [
                try packed(query, ops), try packed(key, ops), try packed(value, ops),
            ],
            queryNorm: try headNorm(name(DecoderTensors.queryNorm), layer, config.architecture),
            keyNorm: try headNorm(name(DecoderTensors.keyNorm), layer, config.architecture),
            attentionOutput: try packed(
                linear(
                    name(DecoderTensors.attentionOutput),
                    inputs: layer.attention.queryWidth, outputs: width), ops),
            feedForwardNorm: try vector(
                "\(name(DecoderTensors.feedForwardNorm)).weight", count: width),
            gateAndUp: [try packed(gate, ops), try packed(up, ops)],
            down: try packed(
                linear(
                    name(DecoderTensors.down), inputs: layer.feedForwardWidth,
                    outputs: width), ops))
    }

    private func headNorm(
        _ name: String, _ layer: LayerConfig, _ architecture: DecoderConfig.Architecture
    ) throws(ModelError) -> HeadNorm? {
        guard architecture.normalisesHeads else { return nil }
        return HeadNorm(
            weight: try vector("\(name).weight", count: layer.attention.headWidth),
            epsilon: layer.epsilon)
    }

    /// Three matrices, or one whose rows are the queries, then the keys, then the values.
    private func queryKeyValue(
        _ index: Int, _ config: DecoderConfig
    ) throws(ModelError) -> (query: LinearLayer, key: LinearLayer, value: LinearLayer) {
        func name(_ part: String) -> String { DecoderTensors.layer(index, part) }
        let shape = config.layers[index].attention
        let (queries, keys) = (shape.queryWidth, shape.keyValueWidth)
        let fusedName = name(DecoderTensors.fusedQueryKeyValue)
        guard !contains("\(fusedName).weight") else {
            let fused = try linear(fusedName, inputs: config.width, outputs: queries + 2 * keys)
            return (
                fused.rows(0..<queries), fused.rows(queries..<(queries + keys)),
                fused.rows((queries + keys)..<(queries + 2 * keys))
            )
        }
        func part(_ part: String, _ outputs: Int) throws(ModelError) -> LinearLayer {
            let layer = try linear(name(part), inputs: config.width, outputs: outputs)
            guard !config.architecture.needsBiases || layer.bias != nil else {
                throw .missingTensor(file: file.path, name: "\(name(part)).bias")
            }
            return layer
        }
        return (
            try part(DecoderTensors.query, queries),
            try part(DecoderTensors.key, keys),
            try part(DecoderTensors.value, keys)
        )
    }

    /// Two matrices, or one `ffn_up` whose rows are the gate, then the rest (phi3).
    private func gateAndUp(
        _ index: Int, _ config: DecoderConfig
    ) throws(ModelError) -> (gate: LinearLayer, up: LinearLayer) {
        func name(_ part: String) -> String { DecoderTensors.layer(index, part) }
        let (width, inner) = (config.width, config.layers[index].feedForwardWidth)
        let upName = name(DecoderTensors.up)
        if config.architecture == .phi3 {
            let fused = try linear(upName, inputs: width, outputs: 2 * inner)
            return (fused.rows(0..<inner), fused.rows(inner..<(2 * inner)))
        }
        return (
            try linear(name(DecoderTensors.gate), inputs: width, outputs: inner),
            try linear(upName, inputs: width, outputs: inner)
        )
    }

    private func rotaryEmbedding(
        _ config: RotaryConfig, _ architecture: DecoderConfig.Architecture, context: Int
    ) throws(ModelError) -> RotaryEmbedding {
        let pairs = config.rotatedWidth / 2
        let factors = "\(DecoderTensors.rotaryFactors).weight"
        var stored =
            try vector(ifPresent: factors, count: pairs) ?? Array(repeating: 1, count: pairs)
        let longFactors = "\(DecoderTensors.longRotaryFactors).weight"
        let shortFactors = "\(DecoderTensors.shortRotaryFactors).weight"
        if let long = try vector(ifPresent: longFactors, count: pairs),
            let short = try vector(ifPresent: shortFactors, count: pairs)
        {
            stored = context > config.originalContextLength ? long : short
        }
        let divisors = stored.map { $0 * config.divisor }
        guard divisors.allSatisfy({ $0.isFinite && $0 != 0 }) else {
            throw .invalidValue(
                file: file.path, key: factors, value: "\(divisors)", expected: "finite divisors")
        }
        return RotaryEmbedding(
            pairing: architecture.pairing, rotatedWidth: config.rotatedWidth, base: config.base,
            divisors: divisors, magnitude: config.magnitude, axes: config.axes)
    }
}
