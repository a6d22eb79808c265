// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import Foundation
import Generation
import Imaging
import Pictures
import TokenPruning
import Tokenization
import TrimLLaVA

/// A loaded model and the engine that answers for it.
struct ServedModel: Sendable {
    let llava: LLaVA
    let engine: Engine
    let options: ServingOptions
    /// What the log and clients are told of pictures that become very many visual tokens; nil where they cannot help it.
    let manyTokens: (log: ManyTokensNote, client: ManyTokensNote)?
    /// When it was loaded.
    let created: Date
    /// The most answers that are generated at the same time.
    let parallel: Int

    init(_ llava: LLaVA, _ options: ServingOptions) throws(LLaVAError) {
        self.llava = llava
        self.options = options
        created = Date()
        manyTokens = ManyTokensNote(llava) { [$0.option, "--keep"] }.flatMap { log in
            ManyTokensNote(llava) { _ in ["keep"] }.map { (log, $0) }
        }
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

    /// Visual tokens of a square picture; 0 for a model that reads text alone.
    var visualTokens: Int {
        let encoder = try? llava.model.pictureEncoder
        return encoder?.plan(PixelSize(width: 1024, height: 1024)).rows.count ?? 0
    }
}

/// How many answers a server generates at the same time.
enum AnswersAtOnce {
    /// As many as half of the free memory is enough for, up to 16; the other half is for pictures and other programs.
    static func fitting(_ llava: LLaVA) -> Int {
        let rows = min(llava.context, LLaVA.rowsPerAnswer)
        let bytesPerRow = KeyValueCache.bytesPerRow(
            llava.model.decoder.config, format: llava.cacheFormat)
        return min(16, max(1, FreeMemory.byteCount / 2 / max(1, rows * bytesPerRow)))
    }
}
