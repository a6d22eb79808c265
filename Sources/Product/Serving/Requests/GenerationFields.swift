// SPDX-License-Identifier: Apache-2.0
import TokenPruning
import TrimLLaVA

/// The options of a request, by the names that its API has for them.
struct GenerationFields {
    let fields: JSONFields
    let model: ServedModel
    /// What the request calls the model.
    let modelName: String?

    /// How an answer is generated.
    ///
    /// - Parameter mostTokens: the names of the field for the length of an answer, the one that wins first.
    func options(mostTokens names: [String]) throws(APIError) -> GenerationOptions {
        var options = GenerationOptions(maxNewTokens: model.options.limits.answerTokens)
        for name in names where fields[name] != nil {
            options.maxNewTokens =
                try fields.integer(name, in: 1...Int.max) ?? options.maxNewTokens
            break
        }
        options.minNewTokens = try fields.integer("min_tokens", in: 0...Int.max) ?? 0
        options.ignoresEndOfSequence = try fields.bool("ignore_eos") ?? false
        options.sampling = try sampling()
        options.stopStrings = try stops()
        options.pruning = try pruning()
        return options
    }

    private func sampling() throws(APIError) -> SamplingOptions {
        var sampling = SamplingOptions()
        if let temperature = try fields.number("temperature") {
            sampling.temperature = Self.float(temperature)
        }
        if let topP = try fields.number("top_p") { sampling.topP = Self.float(topP) }
        if let minP = try fields.number("min_p") { sampling.minP = Self.float(minP) }
        // Some write -1 for all tokens.
        if let topK = try fields.integer("top_k") { sampling.topK = topK == -1 ? 0 : topK }
        for name in ["repetition_penalty", "repeat_penalty"] {
            if let penalty = try fields.number(name) {
                sampling.repetitionPenalty = Self.float(penalty)
            }
        }
        if let seed = try fields.integer("seed"), seed >= 0 { sampling.seed = UInt64(seed) }
        do {
            try sampling.validate()
        } catch {
            throw APIError(.generation(error))
        }
        return sampling
    }

    /// The nearest number of single precision; 0 for 0 alone.
    private static func float(_ number: Double) -> Float {
        number > 0 ? max(Float(number), .leastNormalMagnitude) : Float(number)
    }

    /// The most texts that may end an answer.
    private static let mostStops = 16

    private func stops() throws(APIError) -> [String] {
        let stops = try fields.strings("stop") ?? []
        guard stops.count <= Self.mostStops else {
            throw .invalid(
                "\(fields.place("stop")) has \(stops.count) texts, expected at most \(Self.mostStops)",
                param: fields.place("stop"))
        }
        return stops.filter { !$0.isEmpty }
    }

    /// Which visual tokens enter the decoder: what the body says, or the model's name, or the server.
    private func pruning() throws(APIError) -> PruningOptions? {
        var pruning = model.options.pruning ?? model.options.defaults
        let asked = fields.has("keep")
        let budget = asked ? try keep() : aliasBudget ?? model.options.pruning?.budget
        if let selector = try fields.string("selector") { pruning.selector = selector }
        if let positions: PruningOptions.Positions = try choice("positions") {
            pruning.positions = positions
        }
        if let merging: TokenMerging = try choice("merge") { pruning.merging = merging }
        if let sharesBudget = try fields.bool("share_budget") {
            pruning.sharesBudget = sharesBudget
        }
        do {
            _ = try TokenSelectors.named(pruning.selector, pruning.selectorOptions)
        } catch {
            throw .invalid("\(error)", param: fields.place("selector"))
        }
        guard let budget else {
            if !asked { try refusePruningWithoutBudget() }
            return nil
        }
        pruning.budget = budget
        return pruning
    }

    /// Refuses what says how visual tokens are chosen where none are, unless the client asks for all.
    private func refusePruningWithoutBudget() throws(APIError) {
        for name in ["selector", "positions", "merge", "share_budget"] where fields[name] != nil {
            throw .invalid(
                "\(fields.place(name)) has no effect without keep", param: fields.place(name))
        }
    }

    /// One of the named choices.
    private func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String
    ) throws(APIError) -> Choice? {
        guard let written = try fields.string(name) else { return nil }
        guard let choice = Choice(rawValue: written) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid(
                "\(fields.place(name)) is not one of \(names)", param: fields.place(name))
        }
        return choice
    }

    /// A number, or what `--keep` takes; null and "all" for all.
    private func keep() throws(APIError) -> KeepBudget? {
        guard let value = fields["keep"] else { return nil }
        let text: String
        switch value {
        case .integer(let count): text = "\(count)"
        case .number(let count) where Int(exactly: count) != nil: text = "\(Int(count))"
        case .string(let written): text = written
        default: throw fields.wrong("keep", value, "a number, a percentage or \"auto\"")
        }
        guard text != "all" else { return nil }
        do {
            return try KeepBudget(parsing: text)
        } catch {
            throw .invalid("\(error)", param: fields.place("keep"))
        }
    }

    /// The budget in a name such as `llava@64`.
    private var aliasBudget: KeepBudget? {
        modelName.flatMap { model.budget(inAlias: $0) }
    }
}

extension GenerationFields {
    /// Refuses by name what a client relies on and nobody does here.
    ///
    /// Values that ask for nothing are accepted: some clients always send them.
    func refuseUnsupported() throws(APIError) {
        for name in ["tools", "functions"] {
            if let tools = try fields.array(name), !tools.isEmpty { throw refusal(name) }
        }
        for name in ["frequency_penalty", "presence_penalty"] {
            if let penalty = try fields.number(name), penalty != 0 { throw refusal(name) }
        }
        for name in ["logprobs", "echo"] {
            if let value = fields[name], value != .bool(false) { throw refusal(name) }
        }
        for name in ["logit_bias", "grammar", "json_schema", "guided_json", "audio"] {
            guard let value = fields[name] else { continue }
            if value != .object([:]), value != .string("") { throw refusal(name) }
        }
        for name in ["top_logprobs", "best_of"] {
            if let count = try fields.integer(name),
                count > 1 || name == "top_logprobs" && count > 0
            {
                throw refusal(name)
            }
        }
        if let choice = fields["tool_choice"], choice != .string("none"), choice != .string("auto")
        {
            throw refusal("tool_choice")
        }
        if let format = try fields.fields("response_format"),
            let type = try format.string("type"), type != "text"
        {
            throw refusal("response_format")
        }
        if let modalities = try fields.strings("modalities"), modalities.contains("audio") {
            throw refusal("modalities")
        }
    }

    private func refusal(_ name: String) -> APIError {
        .unsupported("\(fields.place(name)) is not supported", param: fields.place(name))
    }
}
