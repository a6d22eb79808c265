// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import Imaging
import LLaVAModel
import TokenPruning
import Tokenization
import TrimLLaVA

/// A loaded model and the engine that answers for it.
struct ServedModel: Sendable {
    let llava: LLaVA
    let engine: Engine
    let options: ServingOptions
    /// When it was loaded.
    let created: Date
    /// The most answers that are generated at the same time.
    let parallel: Int

    init(_ llava: LLaVA, _ options: ServingOptions) throws(LLaVAError) {
        self.llava = llava
        self.options = options
        created = Date()
        parallel = options.parallel ?? AnswersAtOnce.fitting(llava)
        var engineOptions = Engine.Options(
            parallel: parallel,
            cacheRows: max(
                llava.context, parallel * min(llava.context, LLaVA.rowsPerAnswer)),
            cacheFormat: llava.cacheFormat)
        engineOptions.mostQueued = max(1, options.limits.queued ?? max(16, 4 * parallel))
        mostQueued = engineOptions.mostQueued
        engine = try llava.engine(engineOptions)
    }

    /// The most requests that wait for their turn.
    let mostQueued: Int

    /// What the model is called.
    var id: String { options.modelName }

    /// The budget that a name such as `llava@64` asks for; nil for a name without one.
    func budget(inAlias name: String) -> KeepBudget? {
        guard let mark = name.lastIndex(of: "@") else { return nil }
        return try? KeepBudget(parsing: String(name[name.index(after: mark)...]))
    }

    /// What an answer calls the model: its name, with the budget if the request had one in it.
    func name(for asked: String?) -> String {
        guard let asked, let budget = budget(inAlias: asked) else { return id }
        return "\(id)@\(budget)"
    }

    /// Visual tokens of a square picture of the tower's size.
    var visualTokens: Int {
        let preprocessor = llava.model.preprocessor(crop: false)
        let geometry = preprocessor.geometry(
            width: preprocessor.tileSide, height: preprocessor.tileSide)
        return llava.model.layout(geometry).rows.count
    }
}

/// How many answers a server generates at the same time.
enum AnswersAtOnce {
    /// As many as there is memory for besides the weights, up to 16.
    static func fitting(_ llava: LLaVA) -> Int {
        let rows = min(llava.context, LLaVA.rowsPerAnswer)
        let bytes = max(
            1,
            rows * KeyValueCache.bytesPerRow(llava.model.decoder.config, format: llava.cacheFormat))
        // The other half is for pictures, and for other programs.
        return min(16, max(1, Int(ProcessInfo.processInfo.physicalMemory) / 2 / bytes))
    }
}
